// Asks now and then whether the answer is another one by now, and only then loads the page anew.
const { status, every } = document.querySelector('main').dataset;
// Not to be held: the new page shows the progress.
const question = { method: 'HEAD', headers: { prefer: 'respond-async' } };

setInterval(async () => {
  const answer = await fetch(location.href, question).catch(() => undefined);
  if (answer !== undefined && answer.status !== Number(status)) location.reload();
}, every * 1000);
