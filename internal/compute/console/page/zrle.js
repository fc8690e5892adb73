// ZRLE (RFC 6143, 7.7.6): tiles of 64 by 64 pixels, in one zlib stream for as
// long as the connection lasts. Pixels have three bytes: red, green, blue.
import { Bytes } from "./bytes.js";

export class ZRLE {
  #packed; // writer of the compressed bytes
  #plain = new Bytes();
  #colour = new Uint8Array(3);

  constructor() {
    const inflate = new DecompressionStream("deflate");
    this.#packed = inflate.writable.getWriter();
    this.#pump(inflate.readable.getReader());
  }

  async #pump(reader) {
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Error("the compressed stream has ended");
        this.#plain.push(value);
      }
    } catch (e) {
      this.#plain.fail(e);
    }
  }

  // decode reads a rectangle of the width and height and returns its pixels,
  // four bytes each.
  async decode(source, width, height) {
    const length = (await source.view(4)).getUint32(0);
    // A copy: the stream may keep it for longer than the piece it is a part of.
    this.#packed.write((await source.read(length)).slice()).catch((e) => this.#plain.fail(e));
    const out = new Uint8ClampedArray(width * height * 4);
    for (let y = 0; y < height; y += 64) {
      for (let x = 0; x < width; x += 64) {
        await this.#tile(out, width, x, y, Math.min(64, width - x), Math.min(64, height - y));
      }
    }
    return out;
  }

  async #tile(out, stride, x0, y0, w, h) {
    const plain = this.#plain;
    const kind = await plain.u8();
    const n = w * h;
    const put = (i, c, at) => {
      const o = ((y0 + Math.floor(i / w)) * stride + x0 + (i % w)) * 4;
      out[o] = c[at]; out[o + 1] = c[at + 1]; out[o + 2] = c[at + 2]; out[o + 3] = 255;
    };
    if (kind === 0) { // raw
      const c = await plain.read(n * 3);
      for (let i = 0; i < n; i++) put(i, c, i * 3);
    } else if (kind === 1) { // one colour
      const c = await plain.read(3);
      for (let i = 0; i < n; i++) put(i, c, 0);
    } else if (kind <= 16) { // a palette, and packed indices
      const palette = await plain.read(kind * 3);
      const bits = kind === 2 ? 1 : kind <= 4 ? 2 : 4;
      const row = Math.ceil((w * bits) / 8);
      const packed = await plain.read(row * h);
      for (let i = 0; i < n; i++) {
        const bit = (i % w) * bits;
        const byte = packed[Math.floor(i / w) * row + (bit >> 3)];
        put(i, palette, ((byte >> (8 - bits - (bit & 7))) & ((1 << bits) - 1)) * 3);
      }
    } else if (kind === 128) { // runs of colours
      for (let i = 0; i < n;) {
        const c = await plain.read(3);
        this.#colour.set(c);
        for (let end = i + await this.#run(); i < end; i++) put(i, this.#colour, 0);
      }
    } else if (kind >= 130) { // a palette, and runs of indices
      const palette = await plain.read((kind - 128) * 3);
      for (let i = 0; i < n;) {
        const index = plain.length ? plain.byte() : await plain.u8();
        const end = i + (index & 128 ? await this.#run() : 1);
        for (; i < end; i++) put(i, palette, (index & 127) * 3);
      }
    } else {
      throw new Error(`a tile of an unknown kind, ${kind}`);
    }
  }

  async #run() {
    for (let length = 1; ;) {
      const b = this.#plain.length ? this.#plain.byte() : await this.#plain.u8();
      length += b;
      if (b !== 255) return length;
    }
  }
}
