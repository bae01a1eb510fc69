BEGIN {
  scatter(210, 0, 640)
  for (i = 1; i <= 210; i++) {
    if (i % 70 == 1) print (i > 1 ? "</g>" : "") "<g fill='#fff8e0'>"
    printf "<circle cx='%d' cy='%d' r='%.1f' opacity='%.2f'/>\n", X[i], Y[i], between(1, 3), between(0.4, 1)
  }
  print "</g>"
  say("drew the stars: 210")
}
