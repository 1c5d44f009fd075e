// Remembers in this browser how the log was when it was looked at last, and says whether it still begins so. The proof
// (RFC 9162, 2.1.4.2) is verified here, not by the broker.
const place = document.getElementById("remembered"), { origin, root } = place.dataset, size = Number(place.dataset.size);
const key = `m2kt log ${origin}`, old = JSON.parse(localStorage.getItem(key) ?? "null");
const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (each) => parseInt(each, 16));
const hex = (data) => Array.from(data, (each) => each.toString(16).padStart(2, "0")).join("");
const node = async (left, right) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array([1, ...left, ...right])));

async function begins(m, n, before, after, proof) {
  if (m === n) return before === after && proof.length === 0;
  const path = Number.isInteger(Math.log2(m)) ? [bytes(before), ...proof] : proof.slice();
  let first = m - 1, last = n - 1, one = path[0], two = path[0];
  if (!one) return false;
  const half = () => { first = Math.floor(first / 2); last = Math.floor(last / 2); };
  while (first % 2) half();
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (first % 2 || first === last) {
      [one, two] = [await node(sibling, one), await node(sibling, two)];
      while (first % 2 === 0 && first) half();
    } else two = await node(two, sibling);
    half();
  }
  return last === 0 && hex(one) === before && hex(two) === after;
}

function say(good, text) {
  const line = document.createElement("p");
  line.className = `note ${good ? "good" : "bad"}`;
  line.textContent = `${good ? "✓" : "✗"} ${text}`;
  place.replaceChildren(line);
}

async function look() {
  if (!size || !crypto.subtle) return;
  if (old && old.size > size) return say(false, `This browser saw ${old.size} entries here before; now there are ${size}.`);
  if (old) {
    const answer = await fetch(`/v1/log/proof/consistency?old=${old.size}&new=${size}`);
    if (!answer.ok) return say(false, "The broker gives no proof that the log still begins as this browser saw it.");
    const lines = (await answer.text()).split("\n").filter(Boolean);
    const proof = lines.map((each) => Uint8Array.from(atob(each), (one) => one.charCodeAt(0)));
    if (!(await begins(old.size, size, old.root, root, proof)))
      return say(false, `The log does not begin with the ${old.size} entries that this browser saw: root ${old.root}.`);
    say(true, `Verified in this browser: it begins with the ${old.size} entries that were here ${old.at}.`);
  }
  localStorage.setItem(key, JSON.stringify({ size, root, at: new Date().toISOString().slice(0, 16) }));
}

look();
