BEGIN {
  scatter(260, 0, 1000)
  print "<g fill='none' stroke='var(--fibre)' stroke-width='1.3' stroke-linecap='round' opacity='0.22'>"
  for (i = 1; i <= 260; i++) {
    printf "<path d='M%d %dq%d %d %d %d'/>\n", X[i], Y[i], \
      between(-9, 9), between(-9, 9), between(-16, 16), between(-16, 16)
  }
  print "</g>"
  say("drew the paper: 260 fibres")
}
