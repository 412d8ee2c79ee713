// Talking to the server: every refusal becomes an Error with the server's own words.

const SILENT = "the server does not answer; is semiuhpe demo still running?";

async function answerOf(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(SILENT);
  }
  if (!answer.ok) {
    const refusal = await answer.json().catch(() => null);
    throw Object.assign(new Error(refusal?.error.message ?? `the server answered ${answer.status}`), { kind: refusal?.error.type });
  }
  return answer;
}

export const load = async (path) => (await answerOf(path)).json();

export function post(path, body, mostBytes) {
  if (body.size > mostBytes) throw new Error(`the file is larger than ${(mostBytes / 1048576).toFixed(0)} MB; reduce it`);
  return answerOf(path, { method: "POST", body, headers: { "Content-Type": body.type || "application/octet-stream" } });
}
