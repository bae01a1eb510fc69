function ridge(colour, base, height, wave,    x) {
  printf "<path fill='var(--%s)' d='M-400 1400", colour
  for (x = -400; x <= 2000; x += 20)
    printf "L%d %d", x, base - height * (sine(x / wave) + sine(x / wave * 2.3 + 1) / 2)
  print "L2000 1400Z'/>"
}
BEGIN {
  ridge("far", 590, 60, 210)
  ridge("middle", 670, 45, 290)
  printf "<path fill='var(--hill)' d='M-400 1400"
  for (x = -400; x <= 2000; x += 20) printf "L%d %d", x, ground(x)
  print "L2000 1400Z'/><g fill='none' stroke='var(--grass)' stroke-width='3' stroke-linecap='round'>"
  scatter(300, 8, 460)
  for (i = 1; i <= 300; i++) {
    size = 9 * closeness(Y[i])
    printf "<path d='M%d %d", X[i], ground(X[i]) + Y[i]
    for (blade = -1; blade <= 1; blade++) {
      lean = size * (blade * 0.7 + between(-0.2, 0.2)); tall = size * between(0.8, 1.5)
      printf "q%.1f %.1f %.1f %.1fm%.1f %.1f", lean / 4, -tall / 2, lean, -tall, -lean, tall
    }
    print "'/>"
  }
  print "</g>"
  say("drew the hill: 900 blades of grass")
}
