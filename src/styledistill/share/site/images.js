// Images as Python has them: the same filter (Pillow's Lanczos), the same borders, the same rounding.
// An image is {height, width, planes}: three planes of levels 0 to 255 (Uint8ClampedArray), or of numbers in [0, 1]
// (Float32Array).

// What canvases take on every phone. A larger photograph is reduced by the browser first.
const CANVAS_PIXELS = 1 << 24;
const LEVEL_BITS = 2 ** 22; // Pillow's weights for levels are integers of so many parts

export class Unreadable extends Error {}

// The pixels of an image file, upright, in sRGB, transparent ones on white.
export async function decoded(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Unreadable();
  }
  const factor = Math.min(1, Math.sqrt(CANVAS_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.max(1, Math.floor(bitmap.width * factor));
  const height = Math.max(1, Math.floor(bitmap.height * factor));
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const area = width * height;
  const planes = new Uint8ClampedArray(3 * area);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) planes[channel * area + i] = data[4 * i + channel];
  }
  return { height, width, planes };
}

// The size at which the shorter side is at most `shorter`, and all has at most so many pixels.
export function targetSize(height, width, shorter, pixels) {
  const factor = Math.min(1, shorter / Math.min(height, width));
  [height, width] = [height, width].map((side) => Math.max(1, Math.round(side * factor)));
  const within = Math.min(1, Math.sqrt(pixels / (height * width)));
  return [height, width].map((side) => (within < 1 ? Math.max(1, Math.floor(side * within)) : side));
}

// The image at another size; levels are rounded after each direction, as Pillow does.
export function resized(image, height, width) {
  const wide = width === image.width ? image : alongRows(image, width);
  return height === wide.height ? wide : alongColumns(wide, height);
}

export function inUnit({ height, width, planes }) {
  const unit = new Float32Array(planes.length);
  for (let i = 0; i < planes.length; i++) unit[i] = planes[i] / 255;
  return { height, width, planes: unit };
}

// Continued by reflection at the right and the bottom to multiples of `grid` (numpy.pad's "reflect").
export function onGrid(image, grid) {
  const height = Math.ceil(image.height / grid) * grid;
  const width = Math.ceil(image.width / grid) * grid;
  if (height === image.height && width === image.width) return image;
  const planes = new Float32Array(3 * height * width);
  const columns = Array.from({ length: width }, (_, x) => reflected(x, image.width));
  for (let channel = 0, to = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++) {
      const from = (channel * image.height + reflected(y, image.height)) * image.width;
      for (let x = 0; x < width; x++) planes[to++] = image.planes[from + columns[x]];
    }
  }
  return { height, width, planes };
}

// Pixels for a canvas of a drawn image, cut to height x width; Python's rounding, half to even.
export function rgba({ height: rows, width: columns, planes }, height, width) {
  const pixels = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to += 4) {
      for (let channel = 0; channel < 3; channel++) {
        const value = planes[(channel * rows + y) * columns + x];
        if (Number.isNaN(value)) throw new Error('not a number');
        pixels[to + channel] = value * 255;
      }
    }
  }
  return new ImageData(pixels, width, height);
}

function reflected(place, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const inside = place % period;
  return inside < length ? inside : period - inside;
}

// For each place of the result, the first one that it looks at and the weights from there on.
function weightsOf(from, to, levels) {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const reach = 3 * stretch;
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(from, Math.trunc(center + reach + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, i) => lanczos((i + first - center + 0.5) / stretch));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    for (let i = 0; i < weights.length; i++) {
      weights[i] /= sum;
      if (levels) weights[i] = Math.trunc(weights[i] * LEVEL_BITS + (weights[i] < 0 ? -0.5 : 0.5));
    }
    return { first, weights };
  });
}

function lanczos(x) {
  if (x <= -3 || x >= 3) return 0;
  return sinc(x) * sinc(x / 3);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

function alongRows({ height, width, planes }, target) {
  const levels = planes instanceof Uint8ClampedArray;
  const kernels = weightsOf(width, target, levels);
  const made = new planes.constructor(3 * height * target);
  for (let row = 0, to = 0; row < 3 * height; row++) {
    const start = row * width;
    for (const { first, weights } of kernels) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += planes[start + first + i] * weights[i];
      made[to++] = levels ? level(sum) : sum;
    }
  }
  return { height, width: target, planes: made };
}

function alongColumns({ height, width, planes }, target) {
  const levels = planes instanceof Uint8ClampedArray;
  const kernels = weightsOf(height, target, levels);
  const made = new planes.constructor(3 * target * width);
  const sums = new Float64Array(width);
  for (let channel = 0, to = 0; channel < 3; channel++) {
    for (const { first, weights } of kernels) {
      sums.fill(0);
      for (let i = 0; i < weights.length; i++) {
        const start = (channel * height + first + i) * width;
        for (let x = 0; x < width; x++) sums[x] += planes[start + x] * weights[i];
      }
      for (let x = 0; x < width; x++) made[to++] = levels ? level(sums[x]) : sums[x];
    }
  }
  return { height: target, width, planes: made };
}

function level(sum) {
  return Math.floor((sum + LEVEL_BITS / 2) / LEVEL_BITS);
}
