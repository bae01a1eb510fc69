# Stacks the layers of scene/, lowest number first, into one page: sh draw.sh <page.html>
set -e
exec 2>&1 >"$1" # what is printed is the page, what is said with >&2 is the build log

check_groups() {
  opened=$(grep -o '<g[ >]' "$1" | wc -l)
  closed=$(grep -o '</g>' "$1" | wc -l)
  [ "$opened" = "$closed" ] && return
  echo "$1 has $opened <g>, but $closed </g>." >&2
  echo "A group left open swallows every layer above it: close it, then commit again." >&2
  exit 1
}

read -r number title <scene/title.txt
cat <<HTML
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>$number. $title</title>
<style>
body { margin: 0; background: var(--paper); }
svg { position: fixed; inset: 0; width: 100%; height: 100%; }
h1 { position: fixed; z-index: 1; left: 6vmin; top: 5vmin; margin: 0; max-width: 13em; color: var(--ink); }
h1 { font: 400 clamp(22px, 3.4vmin, 40px) / 1.2 Georgia, serif; }
h1 b { display: block; font: italic 400 2.4em / 1 Georgia, serif; opacity: 0.75; }
h1 code { display: block; font: 0.58em / 2.4 ui-monospace, Menlo, monospace; opacity: 0.75; }

/* On a narrow screen all that stands on the ground shrinks towards the middle, so that it stays in sight. */
@media (max-aspect-ratio: 7 / 10) {
  svg > g:not(#sky, #stars, #snow, #paper) {
    transform: translateY(-110px) scale(0.7);
    transform-origin: 800px 1000px;
  }
}
</style>
<h1><b>$number</b> $title <code id="commit"></code></h1>
<svg viewBox="0 0 1600 1000" preserveAspectRatio="xMidYMax slice" aria-hidden="true">
HTML
for layer in scene/[0-9]*; do
  name=$(basename "${layer%.*}" | cut -d- -f2)
  echo "<g id=\"$name\">"
  case $layer in
    *.svg) check_groups "$layer"; cat "$layer"; echo "drew the $name" >&2 ;;
    *.awk) awk -f brush.awk -f "$layer" ;;
  esac
  echo '</g>'
done
cat <<'HTML'
</svg>
<script type="module">
  const answer = await fetch('/cgi-bin/commit');
  if (answer.ok) document.querySelector('#commit').textContent = (await answer.text()).slice(0, 7);
</script>
</html>
HTML
echo "page $number, \"$title\": $(wc -c <"$1") bytes" >&2
