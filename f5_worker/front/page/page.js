"use strict";

const byId = (id) => document.getElementById(id);
const MOST_SECONDS = 15; // of a recording
const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }; // what calls need spoils a voice
let clip = null; // the recording or the file: {blob, name}
let speech = null; // what is being made, or heard as it is made

// --- The server ---

class KeyWanted extends Error {}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.status === 401) {
    byId("key-form").hidden = false;
    byId("key").focus();
    if (!key) throw new KeyWanted("This server wants an API key: give it above.");
  }
  if (!response.ok) throw new Error(await failure(response));
  return response;
}

async function failure(response) {
  try {
    const answer = await response.json();
    return answer.error.message || answer.error;
  } catch {
    return `The server answered with status ${response.status}.`;
  }
}

const postJson = (path, body, more = {}) =>
  ask(path, { method: "POST", body: JSON.stringify(body), ...more, headers: { "Content-Type": "application/json", ...more.headers } });

async function* linesOf(response) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  let pieces = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const [head, ...rest] = decoder.decode(value, { stream: true }).split("\n");
    pieces.push(head);
    for (const next of rest) {
      yield JSON.parse(pieces.join(""));
      pieces = [next];
    }
  }
}

async function showState() {
  const state = byId("state");
  try {
    const response = await fetch("ping");
    const texts = { 200: "Ready", 204: "The model is loading ..." };
    state.textContent = texts[response.status] || (await failure(response));
    if (response.status === 200) return;
  } catch {
    state.textContent = "The server does not answer.";
  }
  setTimeout(showState, 2000);
}

async function listVoices(chosen) {
  try {
    const { voices } = await (await ask("voices")).json();
    const select = byId("voice");
    select.querySelectorAll(".stored").forEach((option) => option.remove());
    for (const voice of voices) {
      const option = new Option(voice.name, `voice:${voice.name}`);
      option.className = "stored";
      select.add(option);
    }
    if (chosen) select.value = `voice:${chosen}`;
    byId("store").hidden = false;
  } catch (error) {
    byId("store").hidden = true; // no place for voices, which is no fault: recordings work without
    if (!byId("key-form").hidden && !(error instanceof KeyWanted)) show(error);
  }
}

// --- Messages ---

function show(error) {
  byId("error").textContent = error.message;
  byId("error").hidden = false;
}

function clear() {
  byId("error").hidden = true;
}

const progress = (text) => { byId("progress").textContent = text; };

// --- A voice of one's own ---

function useClip(blob, name) {
  clip = { blob, name };
  const option = byId("voice").querySelector("[value=clip]");
  option.disabled = false;
  option.textContent = name ? `Your file: ${name}` : "Your recording";
  byId("voice").value = "clip";
  byId("clip-player").src = URL.createObjectURL(blob);
  showClip();
}

function showClip() {
  byId("clip").hidden = byId("voice").value !== "clip";
}

const base64 = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => reject(new Error("The recording cannot be read."));
  reader.readAsDataURL(blob);
});

let recorder = null;

async function toggleRecording() {
  clear();
  if (recorder) return recorder.stop();
  if (!navigator.mediaDevices) throw new Error("Browsers record on https:// and localhost pages only. Choose a file instead.");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
  } catch {
    throw new Error("The microphone cannot be used: allow it for this page, or choose a file.");
  }
  const pieces = [], button = byId("record");
  recorder = new MediaRecorder(stream);
  recorder.ondataavailable = (event) => pieces.push(event.data);
  const started = Date.now();
  const clock = setInterval(() => {
    const seconds = Math.floor((Date.now() - started) / 1000);
    button.textContent = `Stop recording (${seconds} s)`;
    if (seconds >= MOST_SECONDS && recorder) recorder.stop();
  }, 250);
  recorder.onstop = () => {
    clearInterval(clock);
    stream.getTracks().forEach((track) => track.stop());
    button.textContent = "Record again";
    button.setAttribute("aria-pressed", "false");
    useClip(new Blob(pieces, { type: recorder.mimeType }), "");
    recorder = null;
  };
  recorder.start();
  button.textContent = "Stop recording";
  button.setAttribute("aria-pressed", "true");
}

async function storeVoice() {
  clear();
  const ending = (clip.name.match(/\.\w+$/) || [clip.blob.type.includes("mp4") ? ".m4a" : ".webm"])[0].toLowerCase();
  const given = byId("voice-name").value.trim();
  const name = /\.\w+$/.test(given) ? given : given + ending;
  const body = { voice_name: name, voice_base64: await base64(clip.blob), ref_text: byId("ref-text").value };
  await postJson("voices", body);
  await listVoices(name);
  showClip();
  progress(`${name} is stored.`);
}

// --- Speech, as it is made ---

class Speech {
  constructor() {
    this.context = new AudioContext();
    this.abort = new AbortController();
    this.heard = []; // what is scheduled: {at (the context's time), start, end} in seconds
    this.sources = [];
    this.marks = []; // what lights up: {start, end, span}
  }

  play(part) {
    const bytes = Uint8Array.from(atob(part.audio_base64), (char) => char.charCodeAt(0));
    const samples = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
    const buffer = this.context.createBuffer(1, samples.length, part.sample_rate);
    buffer.copyToChannel(samples, 0);
    const last = this.heard.at(-1);
    const next = last ? last.at + last.end - last.start : 0;
    const at = Math.max(next, this.context.currentTime + 0.1);
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(this.context.destination);
    source.start(at);
    this.sources.push(source);
    this.heard.push({ at, start: part.start, end: part.end });
  }

  get time() {
    const player = byId("player");
    if (this.quiet) return player.currentTime;
    const now = this.context.currentTime;
    const piece = this.heard.findLast(({ at }) => at <= now);
    return piece ? Math.min(piece.start + now - piece.at, piece.end) : -1;
  }

  silence() {
    if (this.quiet) return;
    this.quiet = true;
    this.sources.forEach((source) => source.stop());
    this.context.close();
  }

  mark() {
    const time = this.time;
    for (const { start, end, span } of this.marks) span.classList.toggle("now", start <= time && time < end);
    if (speech === this) requestAnimationFrame(() => this.mark());
  }
}

function addText(part) {
  if (!part.text) return;
  const span = document.createElement("span");
  span.textContent = part.text;
  byId("spoken").append(span, " ");
  speech.marks.push({ start: part.start, end: part.end, span });
}

function showWords(text, words) {
  const pieces = text.match(/\s+|\S+/g);
  const own = pieces.filter((piece) => piece.trim()).length === words.length; // else each character is a word
  const spans = words.map(({ word, start, estimated }) => {
    const span = document.createElement("span");
    span.className = estimated ? "word doubtful" : "word";
    span.textContent = word;
    if (estimated) span.title = "Not heard for sure: its time is an estimate.";
    span.addEventListener("click", () => { byId("player").currentTime = start; byId("player").play(); });
    return span;
  });
  let at = 0;
  const laid = own ? pieces.map((piece) => (piece.trim() ? spans[at++] : piece)) : spans;
  byId("spoken").replaceChildren(...laid);
  if (own) pieces.filter((piece) => piece.trim()).forEach((piece, index) => { spans[index].textContent = piece; });
  // A word is lit until the next one begins, so that the light never goes out within a sentence.
  speech.marks = words.map(({ start, end }, index) => {
    const next = words[index + 1];
    return { start, end: next && next.start - end < 0.3 ? next.start : end, span: spans[index] };
  });
}

function offer(href, name, label) {
  const link = document.createElement("a");
  Object.assign(link, { href, download: name, textContent: label });
  byId("downloads").append(link);
}

const urlOf = (data, type) => URL.createObjectURL(new Blob([data], { type }));

function showAnswer(answer) {
  if (answer.words && answer.words.length) showWords(answer.text, answer.words);
  const player = byId("player"), inline = answer.audio_base64;
  const href = inline
    ? urlOf(Uint8Array.from(atob(inline), (char) => char.charCodeAt(0)), answer.content_type) : answer.audio_url;
  if (href) {
    player.src = href;
    player.hidden = false;
    offer(href, `speech.${answer.output_format}`, `Download ${answer.output_format}`);
  }
  for (const [format, value] of Object.entries(answer.timing_files || {})) {
    const isUrl = /^https?:\/\/\S+$/.test(value);
    offer(isUrl ? value : urlOf(value, "text/plain"), `speech.${format}`, `Subtitles (${format})`);
  }
  byId("warnings").replaceChildren(...(answer.warnings || []).map((warning) => {
    const item = document.createElement("li");
    item.textContent = warning;
    return item;
  }));
  progress(`${answer.duration.toFixed(1)} s of speech, seed ${answer.seed}`);
}

async function job() {
  const voice = byId("voice").value, seed = byId("seed").value;
  const fields = {
    text: byId("text").value, output_format: byId("format").value, stream_format: "pcm", speed: Number(byId("speed").value),
    nfe_step: Number(byId("steps").value), seed: seed === "" ? null : Number(seed),
  };
  if (voice === "clip") Object.assign(fields, { ref_audio_base64: await base64(clip.blob), ref_text: byId("ref-text").value });
  if (voice.startsWith("voice:")) fields.local_voice = voice.slice("voice:".length);
  if (byId("words").checked) Object.assign(fields, { return_word_timings: true, timing_format: ["srt", "vtt"] });
  return fields;
}

async function speak() {
  clear();
  end();
  const mine = (speech = new Speech());
  byId("result").hidden = true;
  byId("spoken").replaceChildren();
  byId("downloads").replaceChildren();
  byId("warnings").replaceChildren();
  byId("player").hidden = true;
  byId("player").removeAttribute("src");
  byId("speak").disabled = true;
  byId("stop").disabled = false;
  progress("Waiting for the first sound ...");
  mine.mark();
  try {
    const headers = { Accept: "application/x-ndjson" };
    const response = await postJson("tts", await job(), { headers, signal: mine.abort.signal });
    let answer = null;
    for await (const line of linesOf(response)) {
      if (line.error) throw new Error(line.error);
      byId("result").hidden = false;
      if ("part" in line) {
        addText(line);
        mine.play(line);
        progress(`Speaking: ${line.end.toFixed(1)} s are made ...`);
      } else {
        answer = line;
      }
    }
    if (!answer) throw new Error("The connection broke before the end of the speech. Try again.");
    showAnswer(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    progress("");
    mine.silence();
    show(error instanceof TypeError ? new Error("The connection broke before the end of the speech. Try again.") : error);
  } finally {
    if (speech === mine) byId("speak").disabled = false;
  }
}

function end() {
  if (!speech) return;
  speech.abort.abort();
  speech.silence();
  byId("player").pause();
  byId("speak").disabled = false;
  byId("stop").disabled = true;
  progress("");
}

// --- Events ---

const trying = (action) => (event) => { event.preventDefault(); Promise.resolve(action()).catch(show); };

byId("speak-form").addEventListener("submit", trying(speak));
byId("stop").addEventListener("click", trying(end));
byId("record").addEventListener("click", trying(toggleRecording));
byId("store-button").addEventListener("click", trying(storeVoice));
byId("voice").addEventListener("change", showClip);
byId("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) useClip(file, file.name);
});
byId("speed").addEventListener("input", (event) => { byId("speed-shown").textContent = Number(event.target.value).toFixed(2); });
byId("player").addEventListener("play", () => speech && speech.silence());
byId("key-form").addEventListener("submit", trying(async () => {
  sessionStorage.setItem("key", byId("key").value);
  byId("key-form").hidden = true;
  clear();
  await listVoices();
}));
showState();
listVoices();
