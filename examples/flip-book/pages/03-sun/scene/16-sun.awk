BEGIN {
  print "<g fill='var(--sun)' style='transform: translate(var(--sun-at))'><circle r='72'/><g class='rays'>"
  for (ray = 0; ray < 24; ray++)
    printf "<path d='M-4 -92L0 %dL4 -92Z' transform='rotate(%d)'/>\n", ray % 2 ? -118 : -140, ray * 15
  print "</g></g>"
  say("drew the sun: 24 rays")
}
