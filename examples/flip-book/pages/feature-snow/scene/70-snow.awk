BEGIN {
  scatter(240, 0, 1000)
  for (depth = 1; depth <= 3; depth++) {
    print "<g>"
    for (i = depth; i <= 240; i += 3)
      for (storey = 0; storey <= 1000; storey += 1000)
        printf "<circle cx='%d' cy='%d' r='%.1f'/>\n", X[i], Y[i] + storey, 7 / depth
    print "</g>"
  }
  say("drew the snow: 240 flakes")
}
