
// This script creates the same files as approve_plan(), with the additional field "from": "page".
// SHA-256 is implemented here, because crypto.subtle is not available to local files in all browsers.
const sha256 = (text) => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  const constants = primes.map((prime) => fraction(Math.cbrt(prime)));
  const state = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const rotated = (word, n) => (word >>> n) | (word << (32 - n));
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
        + (rotated(far, 7) ^ rotated(far, 18) ^ (far >>> 3)) + (rotated(near, 17) ^ rotated(near, 19) ^ (near >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
      const first = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) + constants[at] + words[at];
      const second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [a, b, c, d, e, f, g, h] = [(first + second) | 0, a, b, c, (d + first) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((word, at) => { state[at] = (state[at] + word) | 0; });
  }
  return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
};

const ordered = (value) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

const withChecksum = (kind, content) =>
  JSON.stringify({
    checksum: sha256(JSON.stringify(ordered(content))),
    content: ordered(content),
    format_version: 2,
    kind: `frgroups ${kind}`,
  }, null, 1) + "\n";

// Replace lone surrogates, because a UTF-8 file cannot contain them.
const cleaned = (text) => new TextDecoder().decode(new TextEncoder().encode(text)).trim();

// Filler characters are invisible, although Unicode classifies them as letters.
const fillers = /[\u115f\u1160\u3164\uffa0]/g;
// A joiner between two letters of a script such as Arabic is part of a name.
const joiners = /([\u0600-\u109f\u1780-\u17ff])[\u200c\u200d](?=[\u0600-\u109f\u1780-\u17ff])/g;
// A name must contain a letter or a digit, but no line breaks, control characters, or invisible format characters.
const isName = (text) =>
  /[\p{L}\p{N}]/u.test(text.replace(fillers, "")) && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text.replace(joiners, "$1"));

const nameProblem = (text) => {
  if (!text) return "Enter your name. The file contains your name.";
  if (!/[\p{L}\p{N}]/u.test(text.replace(fillers, ""))) return "A name needs at least one letter or digit.";
  return isName(text) ? "" : "A name must not contain line breaks or invisible characters.";
};
const shortened = (text) => ([...text].length > 40 ? `${[...text].slice(0, 39).join("")}…` : text);

const deciding = byId("deciding");
if (deciding) {
  const { digest, changes, plannedAt, hours } = deciding.dataset;
  const timestamp = (milliseconds) => new Date(milliseconds).toISOString().replace("Z", "000+00:00");

  const downloadDecision = (decision, by, reason) => {
    const now = Date.now();
    const content = {
      digest, changes, planned_at: plannedAt, decision, reason, by, from: "page",
      at: timestamp(now), until: timestamp(now + Number(hours) * 3600e3),
    };
    const url = URL.createObjectURL(new Blob([withChecksum("approval", content)], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${digest.slice(0, 12)}.${decision === "approved" ? "approval" : "rejected.approval"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60e3);
    return { name: link.download, until: local(new Date(Math.min(now + Number(hours) * 3600e3, expires))) };
  };

  const requestInput = (field, status, text) => {
    field.setAttribute("aria-invalid", "true");
    status.textContent = text;
    field.focus();
  };
  const clearErrors = (...fields) => fields.forEach((field) => field.removeAttribute("aria-invalid"));

  const decisions = new Set();
  const [by, approved] = [byId("by"), byId("approved")];
  // The page of an approved plan has no button for an approval, because a second approval would prevent the run.
  byId("approve")?.addEventListener("click", () => {
    if (isExpired()) {
      approved.textContent = "No file was created, because this plan has expired.";
      return;
    }
    const problem = nameProblem(cleaned(by.value));
    if (problem) return requestInput(by, approved, problem);
    clearErrors(by);
    const { name, until } = downloadDecision("approved", cleaned(by.value), "");
    const before = decisions.has("rejected") ? " Do not send the rejection that you downloaded earlier, because a rejection overrides an approval." : "";
    decisions.add("approved");
    rejected.textContent = "";
    approved.textContent = `${name} was downloaded. Send the file to the operator. The approval is valid until ${until}.${before}`;
  });

  // The Enter key in the name field moves the focus to the decisions, but never approves a plan.
  by.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    const problem = nameProblem(cleaned(by.value));
    if (problem) return requestInput(by, approved, problem);
    clearErrors(by);
    approved.textContent = "";
    const choices = !byId("approve") ? "reject the plan with a reason, if you do not want the changes." : isExpired() ? "you can only reject the plan, because it has expired." : "download the approval file, or reject the plan with a reason.";
    byId("choose").textContent = `${shortened(cleaned(by.value))}, ${choices}`;
    byId("choice").focus();
  });

  const [reason, rejected] = [byId("reason"), byId("rejected")];
  byId("reject").addEventListener("click", () => {
    clearErrors(reason, by);
    if (!cleaned(reason.value)) return requestInput(reason, rejected, "Enter a reason for the rejection.");
    const problem = nameProblem(cleaned(by.value));
    if (problem) return requestInput(by, rejected, problem);
    const { name } = downloadDecision("rejected", cleaned(by.value), cleaned(reason.value));
    const before = decisions.has("approved") ? " The rejection overrides the approval that you downloaded earlier." : "";
    decisions.add("rejected");
    approved.textContent = "";
    rejected.textContent = `${name} was downloaded. Send the file to the operator.${before}`;
  });

  deciding.hidden = false;
}
