// The page: what is chosen goes to a worker that draws; the last choice wins. Names are only ever shown as text.
const LARGE = 1 << 20; // pixels; the memory of such an image is given back at once
const IDLE = 30_000; // milliseconds until a worker without work ends
const SIZES = [256, 384, 512, 768, 1024, 1536, 2048];
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);
const WORDS = {
  memory: 'There is too little memory for this size. Choose a smaller one, or close other pages.',
  unreadable: 'This file is no image that this browser can read. Save it as JPEG or PNG.',
  network: 'A file of this page could not be loaded. Is its folder whole, and the server still there?',
  other: 'The image could not be drawn:',
};

const one = (selector, within = document) => within.querySelector(selector);
const page = { frame: one('#frame'), result: one('#result'), status: one('#status'), error: one('#error') };
let site; // demo.json
let worker = null;
let ending; // the timer of an idle worker
let drawing = null; // the request that the worker is at
let waiting = false; // whether another follows it
let requests = 0;
let own = 0;
let shown = {}; // addresses of the result and of the photograph that it was drawn from

function whatIsMissing() {
  if (typeof WebAssembly !== 'object') return 'This browser has no WebAssembly, which draws the images. Use a current browser, and no lockdown mode.';
  if (!WebAssembly.validate(SIMD)) return 'This browser has no WebAssembly SIMD, which draws the images. It takes Chrome 91, Firefox 89 or Safari 16.4, and a processor of the last ten years.';
  if (typeof OffscreenCanvas === 'undefined') return 'This browser cannot draw beside the page (OffscreenCanvas). It takes Chrome 69, Firefox 105 or Safari 16.4.';
  try {
    new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
  } catch {
    return 'This browser gives WebAssembly too little memory (4 GB of addresses are asked for). Close other pages, or use a 64-bit browser.';
  }
  return null;
}

// --- what is chosen -----------------------------------------------------------------------------------------------

function addTile(box, name, source, key) {
  const label = document.createElement('label');
  const input = Object.assign(document.createElement('input'), { type: 'radio', name: box.id, value: key });
  const image = Object.assign(document.createElement('img'), { src: source, alt: '' });
  const text = document.createElement('span');
  label.className = 'tile';
  label.title = text.textContent = name;
  Object.assign(input.dataset, { name, source });
  label.append(input, image, text);
  one('.tiles', box).append(label);
  return input;
}

function chosen(box) {
  return [...box.querySelectorAll('.tiles :checked')];
}

function student() {
  return site.students[one('#student').value];
}

function addOwn(box, blob, name) {
  own += 1;
  const input = addTile(box, name, URL.createObjectURL(blob), `own ${own}`);
  if (one('#mix').checked && box.id === 'styles') input.type = 'checkbox';
  choose(input);
}

function choose(input) {
  input.checked = true;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

function take(box, files) {
  const images = [...files].filter((file) => file.type.startsWith('image/') || !file.type);
  if (!images.length && files.length) tell('unreadable');
  for (const file of images) addOwn(box, file, file.name || 'photograph');
}

// --- what depends on what is chosen -------------------------------------------------------------------------------

function showShares() {
  const styles = chosen(one('#styles'));
  const box = one('#shares');
  const before = Object.fromEntries([...box.querySelectorAll('input')].map((input) => [input.dataset.key, input.value]));
  box.replaceChildren();
  if (styles.length < 2) return;
  for (const { value, dataset } of styles) {
    const line = Object.assign(document.createElement('label'), { className: 'line' });
    const name = document.createElement('span');
    name.textContent = dataset.name;
    const range = Object.assign(document.createElement('input'), { type: 'range', min: 5, max: 100, step: 5, value: before[value] ?? 50 });
    range.dataset.key = value;
    line.append(name, range, document.createElement('output'));
    box.append(line);
  }
  sayShares();
}

function sayShares() {
  const ranges = [...one('#shares').querySelectorAll('input')];
  const total = ranges.reduce((sum, { value }) => sum + Number(value), 0);
  for (const range of ranges) sayValue(range, Math.round((100 * range.value) / total));
}

function sayValue(range, percent) {
  range.parentNode.querySelector('output').textContent = `${percent} %`;
  range.setAttribute('aria-valuetext', `${percent} %`);
}

function fitStudent() {
  const { mixes, pixels } = student();
  const mix = one('#mix');
  if (!mixes && mix.checked) mix.click();
  for (const name of ['#mix-label', '#strength-label']) one(name).hidden = !mixes;
  one('#limits').hidden = mixes;
  const select = one('#size');
  const before = Number(select.value) || 512;
  const sizes = SIZES.filter((size) => size * size <= pixels);
  select.replaceChildren(...sizes.map((size) => new Option(`${size} pixels`, size)));
  select.value = Math.min(before, sizes.at(-1));
}

function fitMix() {
  const several = one('#mix').checked;
  const inputs = [...one('#styles').querySelectorAll('.tiles input')];
  const first = inputs.find((input) => input.checked);
  for (const input of inputs) {
    input.type = several ? 'checkbox' : 'radio';
    if (!several) input.checked = input === first;
  }
}

// --- drawing ------------------------------------------------------------------------------------------------------

async function draw() {
  if (drawing) {
    waiting = true;
    return;
  }
  const [content] = chosen(one('#contents'));
  const styles = chosen(one('#styles'));
  if (!content || !styles.length) return;
  const shares = [...one('#shares').querySelectorAll('input')].map(({ value }) => Number(value));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const request = { id: (requests += 1), student: student(), size: Number(one('#size').value) };
  request.strength = request.student.mixes ? one('#strength').value / 100 : 1;
  drawing = { ...request, content: content.dataset, styles: styles.map(({ dataset }) => dataset) };
  busy(true);
  try {
    request.content = { key: content.value, blob: await blobOf(content) };
    request.styles = [];
    for (const [number, style] of styles.entries()) {
      request.styles.push({ key: style.value, blob: await blobOf(style), share: shares.length ? shares[number] / total : 1 });
    }
  } catch {
    finished({ error: 'network' });
    return;
  }
  clearTimeout(ending);
  worker ??= started();
  worker.postMessage(request);
}

async function blobOf({ dataset }) {
  const answer = await fetch(dataset.source);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.blob();
}

function started() {
  const made = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  made.onmessage = ({ data }) => finished(data);
  made.onerror = (event) => {
    event.preventDefault();
    finished({ error: event.message ? 'other' : 'network', said: event.message });
  };
  return made;
}

function endWorker() {
  worker?.terminate();
  worker = null;
}

function finished(made) {
  const request = drawing;
  drawing = null;
  const large = made.height * made.width > LARGE;
  if (made.error || large) endWorker(); // after an error nobody knows what is left of its memory
  else ending = setTimeout(endWorker, IDLE);
  if (waiting) {
    waiting = false;
    draw();
    if (drawing) return;
  }
  busy(false);
  if (made.error) tell(made.error, made.said);
  else show(request, made);
}

function show(request, made) {
  page.error.hidden = true;
  one('#hint').hidden = true;
  if (shown.result) URL.revokeObjectURL(shown.result);
  shown = { result: URL.createObjectURL(made.blob), content: request.content.source };
  const names = request.styles.map(({ name }) => name);
  shown.words = `${request.content.name} in the style of ${names.join(' and ')}`;
  const link = one('#download');
  link.href = shown.result;
  link.download = `${[request.content.name.replace(/\.\w+$/, ''), ...names].join('_').replace(/[^\p{L}\p{N}.-]+/gu, '_')}.png`;
  link.removeAttribute('aria-disabled');
  one('#compare').disabled = false;
  page.status.textContent = `${made.width} × ${made.height} pixels, drawn in ${(made.milliseconds / 1000).toFixed(2)} s`;
  page.result.dataset.milliseconds = made.milliseconds;
  page.result.dataset.request = request.id;
  compare(false);
}

function compare(original) {
  one('#compare').setAttribute('aria-pressed', original);
  page.result.src = original ? shown.content : shown.result;
  page.result.alt = original ? 'The photograph' : shown.words;
  page.result.hidden = false;
}

function busy(is) {
  page.frame.classList.toggle('busy', is);
  one('#busy').hidden = !is;
  if (is) page.status.textContent = 'Drawing …';
}

function tell(kind, said) {
  page.error.textContent = kind === 'other' ? `${WORDS.other} ${said}` : WORDS[kind];
  page.error.hidden = false;
  page.status.textContent = '';
}

// --- the camera ---------------------------------------------------------------------------------------------------

function listenToCamera() {
  const dialog = one('#camera');
  const video = one('video', dialog);
  const open = one('#camera-open');
  open.hidden = !navigator.mediaDevices?.getUserMedia; // browsers give it to https and localhost only
  open.onclick = async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1920 } } });
    } catch (error) {
      page.error.textContent = error.name === 'NotAllowedError' ? 'The camera was not allowed. Allow it in the browser\'s address line, or choose a file.' : 'No camera could be opened. Choose a file.';
      page.error.hidden = false;
      return;
    }
    dialog.showModal();
    await video.play();
  };
  one('#camera-take').onclick = async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d').drawImage(video, 0, 0);
    dialog.close();
    addOwn(one('#contents'), await canvas.convertToBlob({ type: 'image/png' }), 'camera');
  };
  one('#camera-close').onclick = () => dialog.close();
  dialog.onclose = () => {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
  };
}

// --- start --------------------------------------------------------------------------------------------------------

function listen() {
  let soon;
  one('form').addEventListener('change', ({ target }) => {
    if (target.type === 'file') {
      take(target.closest('fieldset'), target.files);
      target.value = '';
      return;
    }
    if (target.id === 'student') fitStudent();
    if (target.id === 'mix') fitMix();
    if (target.closest('#styles') && !target.closest('#shares')) showShares();
    clearTimeout(soon);
    soon = setTimeout(draw, 60); // one drawing for what comes together
  });
  one('form').addEventListener('input', ({ target }) => {
    if (target.id === 'strength') sayValue(target, target.value);
    if (target.closest('#shares')) sayShares();
  });
  one('form').addEventListener('submit', (event) => event.preventDefault());
  one('#compare').onclick = () => compare(one('#compare').getAttribute('aria-pressed') === 'false');
  const styles = one('#styles');
  const over = (event) => (styles.contains(event.target) ? styles : document.body);
  const unmark = () => [styles, document.body].forEach((place) => place.classList.remove('over'));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    unmark();
    over(event).classList.add('over');
  });
  document.addEventListener('dragleave', unmark);
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    unmark();
    take(over(event) === styles ? styles : one('#contents'), event.dataTransfer.files);
  });
  window.addEventListener('pagehide', endWorker);
}

async function start() {
  const missing = one('#missing');
  const lacking = whatIsMissing();
  if (lacking) {
    missing.textContent = lacking;
    return;
  }
  site = await (await fetch('demo.json')).json();
  for (const name of ['contents', 'styles']) {
    site[name].forEach(({ name: title, file }) => addTile(one(`#${name}`), title, file, file));
  }
  site.students.forEach(({ name }, number) => one('#student').append(new Option(name, number)));
  one('#student-label').hidden = site.students.length < 2;
  one('#runtime').textContent = site.runtime;
  fitStudent();
  listen();
  listenToCamera();
  missing.remove();
  one('main').hidden = false;
  const first = ['contents', 'styles'].map((name) => one(`#${name} .tiles input`));
  first[1].checked = true;
  if (first[0]) choose(first[0]);
}

start();
