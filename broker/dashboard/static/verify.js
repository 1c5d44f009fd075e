// Verifies a packet here, as docs/packet.md and docs/log.md say. What could not be checked never passes.
const subtle = globalThis.crypto?.subtle, utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SIZES = { F16: 2, F32: 4, I32: 4, I64: 8, U8: 1 }, SIGNS = { pass: "✓", fail: "✗", "not-run": "–" };
class Idle extends Error {}
const need = (holds, why) => { if (!holds) throw Error(why); };
const idle = why => { throw new Idle(why); };
const hex = bytes => Array.from(bytes, each => each.toString(16).padStart(2, 0)).join("");
const concat = (...parts) => new Blob(parts).arrayBuffer();
const sha = async (...parts) => new Uint8Array(await subtle.digest("SHA-256", await concat(...parts)));
const digest = async bytes => "sha256:" + hex(await sha(bytes));
const base64 = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), each => each.charCodeAt());
const u64 = (bytes, at, little) => Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, little));
const byte = value => Uint8Array.of(value);
const signs = async (key, signature, ...message) => subtle.verify("Ed25519", key, signature, await concat(...message));
const canonical = value => Array.isArray(value) ? `[${value.map(canonical)}]`
  : value instanceof Object ? `{${Object.keys(value).sort().map(key => JSON.stringify(key) + ":" + canonical(value[key]))}}`
  : JSON.stringify(value);
const parse = bytes => {
  const text = utf8.decode(bytes).trimEnd(), value = JSON.parse(text);
  need(canonical(value) === text, "JSON in another spelling");
  return value;
};
const unpack = data => {
  const parts = [];
  need(hex(data.slice(0, 8)) === "894d324b540d0a01", "no packet");
  for (let at = 8, size; at < data.length; at += size) {
    size = u64(data, at, true);
    at += 8;
    need(size && at + size <= data.length, "cut off");
    parts.push(data.subarray(at, at + size));
  }
  need(parts[1] && !parts[3], "not three parts");
  return parts;
};
const readKeys = lines => Promise.all(lines.map(async line => {
  const raw = base64(line.replace("ed25519:", "")), id = hex(await sha(raw));
  return { id, raw, key: await subtle.importKey("raw", raw, "Ed25519", false, ["verify"]).catch(() => idle("no Ed25519 in this browser")) };
}));
const open = async (bytes, keys, type) => { // a statement in a DSSE envelope
  const { payload, payloadType, signatures } = parse(bytes), body = base64(payload), by = [];
  const message = [`DSSEv1 ${payloadType.length} ${payloadType} ${body.length} `, body];
  for (const { sig } of signatures) for (const { id, key } of keys) if (await signs(key, base64(sig), ...message)) by.push(id);
  need(by[0], "no signature by a trusted key");
  const { subject: [about, more], predicate, predicateType } = parse(body);
  need(payloadType === "application/vnd.in-toto+json" && predicateType === type && !more, "another kind of statement");
  return { by, predicate, entry: await sha(...message), name: about.name, id: "sha256:" + about.digest.sha256 };
};
const leaf = bytes => sha(byte(0), bytes);
const root = async hashes => {
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return hashes[1] ? sha(byte(1), await root(hashes.slice(0, half)), await root(hashes.slice(half))) : hashes[0];
};
const table = async tensors => {
  const size = u64(tensors, 0, true) + 8, body = tensors.subarray(size), rows = [];
  let at = 0;
  for (const [name, { data_offsets: [from, to], dtype, shape }] of Object.entries(parse(tensors.subarray(8, size)))) {
    need(from === at && to === shape.reduce((product, each) => product * each, SIZES[dtype]) + at && to <= body.length, name + " leaves a gap");
    rows.push({ name, section: name.split("/")[0], dtype, shape, sha256: await digest(body.subarray(at, at = to)) });
  }
  need(at === body.length, "bytes follow the last tensor");
  return rows;
};
const included = async ({ index, hashes, size, top }, entry) => { // RFC 9162, 2.1.3.2
  let node = await leaf(entry), at = index, last = size - 1;
  need(at < size, "no such leaf");
  const up = () => [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  for (const each of hashes) {
    need(last, "too long a path");
    if (at % 2 || at === last) {
      node = await sha(byte(1), each, node);
      while (at && !(at % 2)) up();
    } else node = await sha(byte(1), node, each);
    up();
  }
  need(!last && hex(node) === hex(top), "the path does not lead to the signed root");
};
const readProof = text => {
  const cut = text.indexOf("\n\n"), [, index, ...hashes] = text.slice(0, cut).split("\n"), end = text.lastIndexOf("\n\n") + 1;
  const signed = text.slice(cut + 2, end), [origin, size, top] = signed.split("\n");
  return { index: +index.slice(6), hashes: hashes.map(base64), signed, origin, size: +size, top: base64(top), lines: text.slice(end + 1, -1).split("\n") };
};
const signedAt = async ({ lines, origin, signed }, keys) => { // plainly, and with the time: both must hold
  const found = {};
  for (const line of lines) for (const { raw, key } of keys) for (const kind of [1, 4]) {
    const [, name, encoded] = line.split(" "), data = base64(encoded), hash = await sha(origin, "\n", byte(kind), raw);
    if (name !== origin || hex(hash.slice(0, 4)) !== hex(data.slice(0, 4))) continue;
    const time = kind > 1 && u64(data, 4);
    need(await signs(key, data.slice(time ? 12 : 4), time ? `cosignature/v1\ntime ${time}\n` : "", signed), "its signature does not hold");
    found[kind] = time;
  }
  need(1 in found && found[4], "not signed by a trusted key");
  return found[4];
};
const STEPS = { // what each needs, and what it does: its evidence, or why not
  container: ["data", run => {
    [run.envelope, run.written, run.tensors] = unpack(run.data);
    return run.partly("three parts");
  }],
  signature: ["envelope keys", async run => (run.said = await open(run.envelope, run.keys, "urn:m2kt:packet:v1")).by.join()],
  structure: ["written", async run => {
    run.manifest = parse(run.written);
    run.rows = run.tensors && await table(run.tensors);
    return run.partly(`${run.rows?.length} tensors; not looked for here: NaN, low bits`);
  }],
  "packet-id": ["manifest said", async ({ id, manifest, partly, rows, said, written }) => {
    const last = { name: "manifest", section: "manifest", sha256: await digest(written) };
    need(!rows || canonical(rows) === canonical(manifest.tensors), "a tensor has another digest");
    const found = "sha256:" + hex(await root(await Promise.all([...manifest.tensors, last].map(each => leaf(canonical(each))))));
    need(found === id, "these bytes are " + found);
    need(said.id === id && said.name === manifest.name + "@" + manifest.version && canonical(said.predicate) === utf8.decode(written), "another packet was signed");
    return partly(found);
  }],
  receipt: ["brokers", async run => {
    const { id, predicate, entry } = await open(base64(run.told.receipt), run.brokers, "urn:m2kt:receipt:v1");
    need(id === run.id && (!run.tensors || predicate.content === await digest(run.data)), "it is for other bytes");
    need(!run.said || run.said.by.some(each => predicate.signers.includes(each)), "it names no signer of these");
    run.entry = entry;
    return run.partly(predicate.at);
  }],
  inclusion: ["entry", async run => {
    const proof = readProof(run.told.proof ?? idle("it waits for the log"));
    await included(proof, run.entry);
    run.proof = proof;
    return `leaf ${proof.index} of ${proof.size}`;
  }],
  checkpoint: ["proof", async ({ brokers, proof }) => {
    const age = Math.round(Date.now() / 1000 - await signedAt(proof, brokers));
    need(age > -300 && age < 3600, `signed ${age} s ago: somebody may hold news back`);
    return `${proof.origin}, signed ${age} s ago`;
  }],
};
const gather = async (run, own) => {
  if (!subtle) idle("WebCrypto needs https, or localhost");
  const get = what => fetch(`/packets/${run.id}/${what}`), told = await get("evidence"), whole = await get("content");
  if (!told.ok) idle("the broker answers " + told.status);
  run.told = await told.json();
  run.withheld = !whole.ok && `the broker gives no bytes (${whole.status})`;
  const found = whole.ok ? whole : await get("head");
  run.data = found.ok && new Uint8Array(await found.arrayBuffer());
  run.keys = await readKeys(own[0] ? own : run.told.signers);
  run.brokers = await readKeys(own[0] ? own : run.told.brokers);
};
for (const place of document.querySelectorAll("[data-packet]")) {
  const find = name => place.querySelector(name), button = find("button"), status = find("[role=status]");
  button.hidden = false;
  button.onclick = async () => {
    const begun = performance.now(), ends = { fail: [], "not-run": [], pass: [] }, run = { id: place.dataset.packet, why: "an earlier step did not pass" };
    run.partly = said => run.withheld ? idle("only in part: " + run.withheld) : said;
    status.textContent = "Verifying…";
    await gather(run, find("textarea").value.split(/\s+/).filter(Boolean)).catch(error => run.why = error.message);
    for (const [name, [needs, step]] of Object.entries(STEPS)) {
      let end = "not-run", said = run.why;
      try {
        if (needs.split(" ").every(each => run[each])) [said, end] = [await step(run), "pass"];
      } catch (error) {
        [said, end] = [error.message, error instanceof Idle ? end : "fail"];
      }
      ends[end].push(name);
      const [, { firstElementChild: word }, evidence] = find(`[data-step="${name}"]`).cells;
      word.className = "word " + end;
      word.textContent = SIGNS[end] + " " + end.replace("-", " ");
      evidence.textContent = said;
    }
    const { fail, "not-run": open } = ends, now = run.told?.state, stale = now && now !== place.dataset.state;
    status.textContent = `${fail[0] ? `Failed: ${fail.join(", ")}. Do not use this packet.` : open[0] ? `Not verified: ${open.join(", ")} did not run.` : "Verified in this browser."} (${Math.round(performance.now() - begun)} ms)${stale ? ` It is ${now} since this page was made: load it again.` : ""}`;
    status.className = "verdict " + (fail[0] ? "rejected" : open[0] || stale ? "" : "approved");
  };
}
