
// The files that approve_plan() writes, byte for byte but for "from": "page".
// SHA-256 is written out, because browsers need not give crypto.subtle to a page from a file.
const sha256 = (text) => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  const constants = primes.map((prime) => fraction(Math.cbrt(prime)));
  const state = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const turned = (word, n) => (word >>> n) | (word << (32 - n));
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(((bytes.length + 72) >> 6) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const words = new Int32Array(64);
  for (let start = 0; start < padded.length; start += 64) {
    for (let at = 0; at < 64; at++) {
      if (at < 16) { words[at] = view.getInt32(start + 4 * at); continue; }
      const [far, near] = [words[at - 15], words[at - 2]];
      words[at] = words[at - 16] + words[at - 7]
        + (turned(far, 7) ^ turned(far, 18) ^ (far >>> 3)) + (turned(near, 17) ^ turned(near, 19) ^ (near >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
      const one = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + constants[at] + words[at];
      const two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [a, b, c, d, e, f, g, h] = [(one + two) | 0, a, b, c, (d + one) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((word, at) => { state[at] = (state[at] + word) | 0; });
  }
  return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
};

const ordered = (value) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

const sealed = (kind, content) =>
  JSON.stringify({
    checksum: sha256(JSON.stringify(ordered(content))),
    content: ordered(content),
    format_version: 1,
    kind: `frgroups ${kind}`,
  }, null, 1) + "\n";

// Half of a character is no text, and no file can hold it.
const whole = (text) => new TextDecoder().decode(new TextEncoder().encode(text)).trim();

const deciding = byId("deciding");
if (deciding) {
  const { digest, plannedAt, hours } = deciding.dataset;
  const moment = (milliseconds) => new Date(milliseconds).toISOString().replace("Z", "000+00:00");

  const decided = (decision, by, reason) => {
    const now = Date.now();
    const content = {
      digest, planned_at: plannedAt, decision, reason, by, from: "page",
      at: moment(now), until: moment(now + Number(hours) * 3600e3),
    };
    const url = URL.createObjectURL(new Blob([sealed("approval", content)], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${digest.slice(0, 12)}.${decision === "approved" ? "approval" : "rejected.approval"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60e3);
    return { name: link.download, until: local(new Date(Math.min(now + Number(hours) * 3600e3, expires))) };
  };

  const asked = (field, told, text) => {
    field.setAttribute("aria-invalid", "true");
    told.textContent = text;
    field.focus();
  };
  const filled = (...fields) => fields.forEach((field) => field.removeAttribute("aria-invalid"));

  const made = new Set();
  const [by, approved] = [byId("by"), byId("approved")];
  byId("approve").addEventListener("click", () => {
    if (Date.now() > expires) {
      byId("late").hidden = false;
      approved.textContent = "No file was made: this plan is too old to be applied.";
      return;
    }
    if (!whole(by.value)) return asked(by, approved, "Write your name first: the file says who agrees.");
    filled(by);
    const { name, until } = decided("approved", whole(by.value), "");
    const before = made.has("rejected") ? " Do not send the rejection that you made before: a no goes before a yes." : "";
    made.add("approved");
    rejected.textContent = "";
    approved.textContent = `${name} was downloaded. Send it to the operator; it is open until ${until}.${before}`;
  });

  const [reason, rejectedBy, rejected] = [byId("reason"), byId("rejected-by"), byId("rejected")];
  byId("reject").addEventListener("click", () => {
    filled(reason, rejectedBy);
    if (!whole(reason.value)) return asked(reason, rejected, "Write what is wrong with it first.");
    if (!whole(rejectedBy.value)) return asked(rejectedBy, rejected, "Write your name: the file says who rejects.");
    const { name } = decided("rejected", whole(rejectedBy.value), whole(reason.value));
    const before = made.has("approved") ? " It goes before the approval that you made before." : "";
    made.add("rejected");
    approved.textContent = "";
    rejected.textContent = `${name} was downloaded. Send it to the operator: apply refuses this plan where the file lies beside it.${before}`;
  });

  deciding.hidden = byId("rejecting").hidden = false;
}
