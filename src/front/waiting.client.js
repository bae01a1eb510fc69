// Follows a preview: shows its phase and log as they change, and loads the page anew when it is over.
const log = document.querySelector('pre');
const words = document.querySelector('[data-words]');
const dot = document.querySelector('.dot');
const { next, over } = document.body.querySelector('main').dataset;

const follow = (from) => {
  const events = new EventSource(`/_pool/events?from=${from}`);
  events.addEventListener('state', ({ data }) => {
    const state = JSON.parse(data);
    words.textContent = state.words;
    dot.className = `dot ${state.phase}`;
    if (over.split(' ').includes(state.page)) {
      events.close();
      // A preview that is cold was forgotten by a restart: loading anew visits it again.
      setTimeout(() => location.reload(), state.phase === 'cold' ? 1000 : 0);
    }
  });
  events.addEventListener('log', ({ data }) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(JSON.parse(data).text);
    if (atEnd) log.scrollTop = log.scrollHeight;
  });
  // The browser dials again by itself, unless the server answered with an error.
  events.addEventListener('error', () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2000);
  });
};

log.scrollTop = log.scrollHeight;
follow(next);
