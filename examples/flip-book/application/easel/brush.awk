# What the computed layers share. The numbers look random, but are the same in each build.
BEGIN { seed = 20261 }

function between(low, high) {
  seed = (seed * 16807) % 2147483647
  return low + (high - low) * seed / 2147483647
}

# Sets X[1..count] and Y[1..count]: each point is the loneliest of twelve, which looks sown rather than spilt.
function scatter(count, top, bottom,    i, j, try, x, y, near, away, best) {
  for (i = 1; i <= count; i++) {
    best = -1
    for (try = 0; try < 12; try++) {
      x = between(0, 1600); y = between(top, bottom); near = 1e9
      for (j = 1; j < i; j++) {
        away = (x - X[j]) * (x - X[j]) + (y - Y[j]) * (y - Y[j])
        if (away < near) near = away
      }
      if (near > best) { best = near; X[i] = x; Y[i] = y }
    }
  }
}

# Not every busybox has awk's own sin() and cos().
function sine(x,    square) {
  x -= 6.283185 * int(x / 6.283185)
  if (x > 3.141593) x -= 6.283185
  if (x < -3.141593) x += 6.283185
  square = x * x
  return x * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72))))
}
function cosine(x) { return sine(x + 1.570796) }

# Where the near hill's edge is, and how much bigger things look further down on it.
function ground(x) { return 730 - 70 * cosine((x - 800) / 520) }
function closeness(below) { return 0.6 + below / 300 }

function say(text) { print text | "cat >&2" }
