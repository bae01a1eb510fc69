// Keeps the strip up to date: the server sends the whole list whenever it changed.
const strip = document.querySelector('#strip');
const { events: url } = document.querySelector('main').dataset;

const commits = () =>
  new Set([...strip.querySelectorAll('[data-commit]')].map((item) => item.dataset.commit));

const events = new EventSource(url);
events.addEventListener('strip', ({ data }) => {
  const known = commits();
  const focused = strip.contains(document.activeElement) ? document.activeElement.href : undefined;
  strip.innerHTML = JSON.parse(data);
  for (const item of strip.querySelectorAll('[data-commit]')) {
    if (!known.has(item.dataset.commit)) item.classList.add('fresh');
    const link = item.querySelector('a');
    if (link.href === focused) link.focus();
  }
});
events.addEventListener('error', () => {
  if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2000);
});
