BEGIN {
  scatter(40, -60, 380)
  print "<g fill='#fff0a0' stroke='#fff0a0' stroke-opacity='0.25' stroke-width='9'>"
  for (i = 1; i <= 40; i++) printf "<circle cx='%d' cy='%d' r='3.2'/>\n", X[i], ground(X[i]) + Y[i]
  print "</g>"
  say("drew the fireflies: 40, and the wind")
}
