// Bytes that arrive in pieces and are read in order.
export class Bytes {
  #pieces = [];
  #at = 0; // in the first piece
  #wake = null;
  #error = null;
  length = 0; // there now

  push(piece) {
    if (!piece.length) return;
    this.#pieces.push(piece);
    this.length += piece.length;
    this.#wake?.();
  }

  fail(error) {
    this.#error ??= error;
    this.#wake?.();
  }

  // need resolves when n bytes are there.
  async need(n) {
    while (this.length < n) {
      if (this.#error) throw this.#error;
      await new Promise((wake) => { this.#wake = wake; });
      this.#wake = null;
    }
  }

  // byte and take are for bytes that are there.
  byte() {
    const first = this.#pieces[0];
    const value = first[this.#at++];
    this.length--;
    if (this.#at === first.length) this.#drop();
    return value;
  }

  take(n) {
    const first = this.#pieces[0];
    if (n && first.length - this.#at >= n) {
      const part = first.subarray(this.#at, this.#at + n);
      this.#at += n;
      this.length -= n;
      if (this.#at === first.length) this.#drop();
      return part;
    }
    const whole = new Uint8Array(n);
    for (let have = 0; have < n;) {
      const part = this.#pieces[0].subarray(this.#at, this.#at + n - have);
      whole.set(part, have);
      have += part.length;
      this.#at += part.length;
      this.length -= part.length;
      if (this.#at === this.#pieces[0].length) this.#drop();
    }
    return whole;
  }

  #drop() {
    this.#pieces.shift();
    this.#at = 0;
  }

  async read(n) {
    if (this.length < n) await this.need(n);
    return this.take(n);
  }

  async u8() {
    if (!this.length) await this.need(1);
    return this.byte();
  }

  // view reads n bytes for numbers to be taken from.
  async view(n) {
    const b = await this.read(n);
    return new DataView(b.buffer, b.byteOffset, n);
  }
}
