BEGIN {
  split("#ff8fa3 #ffd166 #fff6e6 #c79bf2 #ff7b54", petals, " ")
  scatter(120, 20, 440)
  for (i = 1; i <= 120; i++) {
    size = 4.2 * closeness(Y[i])
    printf "<g transform='translate(%d %d) scale(%.1f)' fill='%s'>", X[i], ground(X[i]) + Y[i], size, petals[i % 5 + 1]
    for (petal = 0; petal < 5; petal++)
      printf "<circle cx='%.2f' cy='%.2f' r='0.95'/>", 1.2 * cosine(petal * 1.2566), 1.2 * sine(petal * 1.2566)
    print "<circle r='0.8' fill='#f2a73b'/></g>"
  }
  say("drew the flowers: 120, with 600 petals")
}
