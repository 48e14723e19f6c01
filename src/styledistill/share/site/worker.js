// Draws, beside the page, so that the page keeps answering. WebAssembly gives no memory back while it lives: the page
// ends this worker after a large image, and when it has been idle.
import * as ort from './onnxruntime/ort.js';
import { Unreadable, decoded, inUnit, onGrid, resized, rgba, targetSize } from './images.js';

const STYLE_PIXELS = 1 << 20; // of larger styles nothing new is learned
const KEPT_CODES = 64;
const MOST_THREADS = 4; // more are hardly faster at 512 x 512

// Several threads share memory, which browsers allow behind two headers only (COOP, COEP); most static hosts send none.
ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
ort.env.wasm.wasmPaths = { wasm: new URL('onnxruntime/ort-wasm-simd-threaded.wasm', import.meta.url).href };
ort.env.logLevel = 'fatal';

const codes = new Map(); // what styles left, by student, image and size
let sessions = null; // of one student: {name, encode_style, stylize}
let last = {}; // the content as it was decoded last: {key, image}

self.onmessage = async ({ data: request }) => {
  try {
    self.postMessage({ id: request.id, ...(await drawn(request)) });
  } catch (error) {
    self.postMessage({ id: request.id, error: kindOf(error), said: String(error?.message ?? error).slice(0, 200) });
  }
};

async function drawn({ student, content, styles, strength, size }) {
  const began = performance.now();
  await open(student);
  const image = await contentOf(content, size, student.pixels);
  const unit = inUnit(image);
  const portions = styles.map(({ share }) => share * strength);
  const kept = [];
  for (const style of styles) kept.push(await styleOf(student, style, size));
  if (strength < 1) {
    kept.unshift(await encoded(student, unit));
    portions.unshift(1 - strength);
  }
  const memory = student.mixes ? mixture(kept, portions) : kept[0];
  const started = performance.now();
  const padded = onGrid(unit, student.grid);
  const made = await run(sessions.stylize, { contents: tensorOf(padded), ...tensors(memory) });
  const milliseconds = performance.now() - started;
  const { images } = made;
  const [, , rows, columns] = images.dims;
  const { height, width } = image;
  const pixels = rgba({ height: rows, width: columns, planes: images.data }, height, width);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d').putImageData(pixels, 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return { blob, height, width, milliseconds, all: performance.now() - began };
}

async function open(student) {
  if (sessions?.name === student.name) return;
  for (const session of [sessions?.encode_style, sessions?.stylize]) await session?.release();
  sessions = null;
  const options = { executionProviders: ['wasm'], enableMemPattern: false };
  const [encode, stylize] = ['encode_style', 'stylize'].map((name) => new URL(student.files[name], import.meta.url).href);
  sessions = {
    name: student.name,
    encode_style: await ort.InferenceSession.create(encode, options),
    stylize: await ort.InferenceSession.create(stylize, options),
  };
}

async function contentOf({ key, blob }, size, pixels) {
  const wanted = `${key} ${size} ${pixels}`;
  if (last.key !== wanted) last = { key: wanted, image: await reduced(blob, size, pixels) };
  return last.image;
}

async function reduced(blob, size, pixels) {
  const image = await decoded(blob);
  return resized(image, ...targetSize(image.height, image.width, size, pixels));
}

async function styleOf(student, { key, blob }, size) {
  const name = `${student.name} ${key} ${size}`;
  if (!codes.has(name)) {
    if (codes.size >= KEPT_CODES || !student.mixes) codes.clear();
    codes.set(name, await encoded(student, inUnit(await reduced(blob, size, Infinity))));
  }
  return codes.get(name);
}

// What a style leaves, by name: {data, dims}.
async function encoded(student, image) {
  const bounded = resizedStyle(image);
  return run(sessions.encode_style, { styles: tensorOf(onGrid(bounded, student.grid)) });
}

function resizedStyle(image) {
  const factor = Math.min(1, Math.sqrt(STYLE_PIXELS / (image.height * image.width)));
  const [height, width] = [image.height, image.width].map((side) => Math.max(1, Math.round(side * factor)));
  const made = resized(image, height, width);
  if (made !== image) for (let i = 0; i < made.planes.length; i++) made.planes[i] = Math.min(1, Math.max(0, made.planes[i]));
  return made;
}

function mixture(kept, portions) {
  const mixed = { data: new Float32Array(kept[0].codes.data.length), dims: kept[0].codes.dims };
  kept.forEach(({ codes: { data } }, number) => {
    for (let i = 0; i < data.length; i++) mixed.data[i] += portions[number] * data[i];
  });
  return { codes: mixed };
}

function tensorOf({ height, width, planes }) {
  return new ort.Tensor('float32', planes, [1, 3, height, width]);
}

function tensors(memory) {
  return Object.fromEntries(Object.entries(memory).map(([name, { data, dims }]) => [name, new ort.Tensor('float32', data, dims)]));
}

// A graph's outputs as {data, dims}; nothing of the runtime's stays in use.
async function run(session, inputs) {
  const made = await session.run(inputs);
  const kept = Object.fromEntries(Object.entries(made).map(([name, { data, dims }]) => [name, { data, dims }]));
  for (const tensor of [...Object.values(made), ...Object.values(inputs)]) tensor.dispose();
  return kept;
}

function kindOf(error) {
  if (error instanceof Unreadable) return 'unreadable';
  if (typeof error === 'number' || /memory|alloc|OOM|out of bounds|array length|Aborted|unreachable/i.test(String(error?.message ?? error))) return 'memory';
  if (/fetch|network|load/i.test(String(error?.message ?? error))) return 'network';
  return 'other';
}
