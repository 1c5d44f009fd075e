// Shows what is new of a job: the server says that something is, htmx fetches that part of the page again. The focus
// stays where it is, a button pauses, and the state is announced once, not at every step.
const part = document.getElementById("now"), said = document.getElementById("said");
const button = document.createElement("button");
let source = null, due = null, told = "";

function look(id) {
  due ??= setTimeout(() => {
    due = null;
    const focus = document.activeElement?.closest("#now form")?.getAttribute("action");
    document.body.addEventListener("htmx:afterSettle", () => {
      if (focus) document.querySelector(`#now form[action="${CSS.escape(focus)}"] button`)?.focus();
    }, { once: true });
    htmx.trigger(part, "news");
  }, 150);
}

function announce(text) {
  if (text !== told) said.firstChild.textContent = told = text;
}

function stop(text) {
  source?.close();
  source = null;
  button.textContent = "Go on";
  announce(text);
}

function start() {
  source = new EventSource(part.dataset.live);
  button.textContent = "Pause";
  for (const kind of ["queued", "running", "progress", "broke", "released", "lease-lost"])
    source.addEventListener(kind, look);
  source.addEventListener("end", (event) => {
    look();
    stop(`It has ended: ${JSON.parse(event.data).state}.`);
    button.remove();
  });
  source.onopen = () => announce("Live: this page follows the job.");
  source.onerror = () => source?.readyState === EventSource.CLOSED
    ? stop("The broker answers no more, or you are signed out.") : announce("The broker does not answer; trying again.");
}

said.replaceChildren(document.createElement("span"), " ", button);
button.type = "button";
button.onclick = () => source ? stop("Paused.") : start();
start();
