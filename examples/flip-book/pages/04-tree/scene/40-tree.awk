function branch(x, y, angle, reach, width, left) {
  wood = wood sprintf("<path stroke-width='%.1f' d='M%.1f %.1f", width, x, y)
  x += reach * cosine(angle); y += reach * sine(angle)
  wood = wood sprintf("L%.1f %.1f'/>\n", x, y)
  if (left < 3) leaf(x, y)
  if (left == 0) return
  angle -= (angle + 1.57) * 0.12
  branch(x, y, angle - between(0.2, 0.46), reach * between(0.74, 0.86), width * 0.68, left - 1)
  branch(x, y, angle + between(0.2, 0.46), reach * between(0.74, 0.86), width * 0.68, left - 1)
}
function leaf(x, y) {
  leaves += 2
  shade = shade sprintf("<circle cx='%d' cy='%d' r='%d'/>\n", x, y + 8, between(20, 34))
  light = light sprintf("<circle cx='%d' cy='%d' r='%d'/>\n", x + 8, y - 12, between(6, 15))
}
BEGIN {
  branch(620, 640, -1.57, 62, 25, 7)
  print "<g class='crown'><g fill='var(--leaf)'>" shade "</g>"
  print "<path fill='var(--bark)' d='M607 620Q607 670 590 690H650Q633 670 633 620Z'/>"
  print "<g stroke='var(--bark)' stroke-linecap='round'>" wood "</g>"
  print "<g fill='var(--leaf-lit)'>" light "</g></g>"
  say("drew the tree: " leaves " leaves")
}
