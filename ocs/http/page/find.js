// Who is meant: found by any identity.

import { get } from "./api.js";

// The search takes an identity of any type, with or without "type:" before it, or an account's id.
function candidates(text) {
  if (/^(e164|imsi|sip|nai|private):/.test(text)) {
    return text.startsWith("sip:") ? [text, `private:${text}`] : [text.replace(/^e164:\+/, "e164:")];
  }
  const digits = text.replace(/[\s+()-]/g, "");
  if (/^\d+$/.test(digits)) return [`e164:${digits}`, `imsi:${digits}`, `private:${text}`];
  return text.includes("@") ? [`sip:${text}`, `nai:${text}`, `private:${text}`] : [`private:${text}`];
}

export async function find(text) {
  for (const identity of candidates(text)) {
    const { accounts } = await get(`/v1/accounts?identity=${encodeURIComponent(identity)}`);
    if (accounts.length) return accounts[0];
  }
  return get(`/v1/accounts/${encodeURIComponent(text)}`);
}
