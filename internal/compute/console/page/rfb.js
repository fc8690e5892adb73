// An RFB client (RFC 6143) for QEMU's server: version 3.8, no security (the
// address that led here was the secret), 32 bits per pixel, keys by place.
import { Bytes } from "./bytes.js";
import { ZRLE } from "./zrle.js";
import { keysym, scanCode, shifted } from "./keys.js";

const RAW = 0, COPY = 1, ZRLE_ENCODING = 16, DESKTOP_SIZE = -223, CURSOR = -239, KEYS_BY_PLACE = -258;

export class RFB {
  #socket;
  #source = new Bytes();
  #canvas;
  #picture;
  #zrle = "DecompressionStream" in globalThis ? new ZRLE() : null;
  #on;
  #ready = false;
  #byPlace = false; // the server takes keys by place
  #held = new Map(); // keys that are down: code → what to send when they go up
  #buttons = 0;

  // on has open(name) and closed(why), of which the second is called once.
  constructor(url, canvas, on) {
    this.#canvas = canvas;
    this.#picture = canvas.getContext("2d", { alpha: false });
    this.#on = on;
    this.#socket = new WebSocket(url, ["binary"]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = (e) => this.#source.push(new Uint8Array(e.data));
    this.#socket.onclose = (e) => this.#source.fail(new Error(e.reason));
    this.#listen();
    this.#run();
  }

  async #run() {
    let why = "";
    try {
      await this.#handshake();
      for (;;) await this.#message();
    } catch (e) {
      why = e.message;
    }
    this.#ready = false;
    this.#socket.close();
    this.#on.closed(why);
  }

  #send(bytes) { if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new Uint8Array(bytes)); }

  async #handshake() {
    await this.#source.read(12); // the server's version
    this.#send(new TextEncoder().encode("RFB 003.008\n"));
    const kinds = await this.#source.read(await this.#source.u8());
    if (!kinds.includes(1)) throw new Error("The guest's screen wants a password.");
    this.#send([1]);
    if ((await this.#source.view(4)).getUint32(0)) throw new Error("The guest's screen refuses the connection.");
    this.#send([1]); // others may look, too
    const init = await this.#source.view(24);
    const name = new TextDecoder().decode(await this.#source.read(init.getUint32(20)));
    this.#resize(init.getUint16(0), init.getUint16(2));
    // 32 bits, of which 24 count, little-endian, true colour: red in the lowest byte.
    this.#send([0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]);
    const encodings = [COPY, RAW, DESKTOP_SIZE, CURSOR, KEYS_BY_PLACE];
    if (this.#zrle) encodings.unshift(ZRLE_ENCODING);
    const set = new DataView(new ArrayBuffer(4 + 4 * encodings.length));
    set.setUint8(0, 2);
    set.setUint16(2, encodings.length);
    encodings.forEach((e, i) => set.setInt32(4 + 4 * i, e));
    this.#send(set.buffer);
    this.#ready = true;
    this.#on.open(name);
    this.#ask(false);
  }

  #resize(width, height) {
    this.#canvas.width = width;
    this.#canvas.height = height;
  }

  // ask for what has changed, or for everything.
  #ask(changes) {
    const { width, height } = this.#canvas;
    this.#send([3, changes ? 1 : 0, 0, 0, 0, 0, width >> 8, width & 255, height >> 8, height & 255]);
  }

  async #message() {
    switch (await this.#source.u8()) {
      case 0: return this.#update();
      case 1: { // a colour map, which true colour has no use for
        const count = (await this.#source.view(5)).getUint16(3);
        await this.#source.read(count * 6);
        return;
      }
      case 2: return; // a bell
      case 3: { // the guest's clipboard
        const length = (await this.#source.view(7)).getUint32(3);
        await this.#source.read(length);
        return;
      }
      default: throw new Error("The guest's screen said something unknown.");
    }
  }

  async #update() {
    const count = (await this.#source.view(3)).getUint16(1);
    let whole = false;
    for (let i = 0; i < count; i++) {
      const r = await this.#source.view(12);
      const [x, y, w, h] = [0, 2, 4, 6].map((at) => r.getUint16(at));
      switch (r.getInt32(8)) {
        case RAW: this.#draw(opaque(await this.#source.read(w * h * 4)), x, y, w, h); break;
        case ZRLE_ENCODING: this.#draw(await this.#zrle.decode(this.#source, w, h), x, y, w, h); break;
        case COPY: {
          const from = await this.#source.view(4);
          this.#picture.drawImage(this.#canvas, from.getUint16(0), from.getUint16(2), w, h, x, y, w, h);
          break;
        }
        case DESKTOP_SIZE: this.#resize(w, h); whole = true; break;
        case CURSOR: await this.#cursor(x, y, w, h); break;
        case KEYS_BY_PLACE: this.#byPlace = true; break;
        default: throw new Error("The guest's screen is encoded in an unknown way.");
      }
    }
    this.#ask(!whole);
  }

  #draw(pixels, x, y, w, h) {
    if (w && h) this.#picture.putImageData(new ImageData(pixels, w, h), x, y);
  }

  // cursor takes the guest's mouse pointer: pixels, and a bit for each that shows.
  async #cursor(x, y, w, h) {
    const pixels = opaque(await this.#source.read(w * h * 4));
    const row = (w + 7) >> 3;
    const mask = await this.#source.read(row * h);
    if (!w || !h) {
      this.#canvas.style.cursor = "none";
      return;
    }
    for (let i = 0; i < w * h; i++) {
      const column = i % w;
      if (!(mask[Math.floor(i / w) * row + (column >> 3)] & (0x80 >> (column & 7)))) pixels[i * 4 + 3] = 0;
    }
    const image = new OffscreenCanvas(w, h);
    image.getContext("2d").putImageData(new ImageData(pixels, w, h), 0, 0);
    const reader = new FileReader();
    reader.onload = () => { this.#canvas.style.cursor = `url(${reader.result}) ${x} ${y}, default`; };
    reader.readAsDataURL(await image.convertToBlob());
  }

  // key presses or releases a key: by its place where the server takes that, so
  // that the guest's own layout counts, else by its meaning.
  #key(down, sym, place) {
    if (!this.#ready || (!sym && !place)) return;
    const u32 = (n) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];
    if (place && this.#byPlace) this.#send([255, 0, 0, down ? 1 : 0, ...u32(sym), ...u32(place)]);
    else if (sym) this.#send([4, down ? 1 : 0, 0, 0, ...u32(sym)]);
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener("keydown", (e) => {
      e.preventDefault();
      const held = this.#held.get(e.code) ?? [keysym(e.key), scanCode(e)];
      this.#held.set(e.code, held);
      this.#key(true, ...held);
    });
    canvas.addEventListener("keyup", (e) => {
      e.preventDefault();
      this.#release(e.code);
    });
    canvas.addEventListener("blur", () => [...this.#held.keys()].forEach((code) => this.#release(code)));
    for (const what of ["pointerdown", "pointerup", "pointermove"]) {
      canvas.addEventListener(what, (e) => {
        e.preventDefault();
        if (what === "pointerdown") {
          canvas.focus();
          canvas.setPointerCapture(e.pointerId);
        }
        // A browser counts left, right, middle; RFB left, middle, right.
        this.#buttons = (e.buttons & 1) | ((e.buttons & 4) >> 1) | ((e.buttons & 2) << 1);
        this.#pointer(e, this.#buttons);
      });
    }
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      if (!e.deltaY) return;
      this.#pointer(e, this.#buttons | (e.deltaY < 0 ? 8 : 16));
      this.#pointer(e, this.#buttons);
    }, { passive: false });
  }

  #release(code) {
    const held = this.#held.get(code);
    this.#held.delete(code);
    if (held) this.#key(false, ...held);
  }

  #pointer(e, buttons) {
    if (!this.#ready) return;
    const box = this.#canvas.getBoundingClientRect();
    const scale = (at, length, pixels) => Math.max(0, Math.min(pixels - 1, Math.floor((at * pixels) / length)));
    const x = scale(e.clientX - box.left, box.width, this.#canvas.width);
    const y = scale(e.clientY - box.top, box.height, this.#canvas.height);
    this.#send([5, buttons, x >> 8, x & 255, y >> 8, y & 255]);
  }

  ctrlAltDel() {
    const keys = [[0xffe3, 0x1d], [0xffe9, 0x38], [0xffff, 0xd3]];
    keys.forEach((k) => this.#key(true, ...k));
    keys.reverse().forEach((k) => this.#key(false, ...k));
  }

  // type types a text on a US keyboard.
  type(text) {
    for (const character of text.replaceAll("\r\n", "\n")) {
      const sym = character === "\n" ? 0xff0d : character === "\t" ? 0xff09 : keysym(character);
      const shift = shifted(character);
      if (shift) this.#key(true, 0xffe1, 0x2a);
      this.#key(true, sym, 0);
      this.#key(false, sym, 0);
      if (shift) this.#key(false, 0xffe1, 0x2a);
    }
  }
}

// opaque makes pixels of the server's, whose fourth byte says nothing, a picture's.
function opaque(bytes) {
  const pixels = new Uint8ClampedArray(bytes);
  for (let i = 3; i < pixels.length; i += 4) pixels[i] = 255;
  return pixels;
}
