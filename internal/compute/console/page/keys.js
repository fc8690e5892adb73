// Keys of a browser's keyboard events: where they are, as a PC's keyboard
// numbers them, and what they mean, as X11 does.

// Scan codes of the first set by KeyboardEvent.code. Keys that a PC sends with
// the prefix e0 have the highest bit set, as QEMU wants them.
const scanCodes = { Pause: 0xc6, IntlBackslash: 0x56, F11: 0x57, F12: 0x58, IntlRo: 0x73, KanaMode: 0x70, Convert: 0x79, NonConvert: 0x7b, IntlYen: 0x7d };
const row = (first, codes) => codes.split(" ").forEach((code, i) => { scanCodes[code] = first + i; });
row(0x01, "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab");
row(0x10, "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft");
row(0x1e, "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash");
row(0x2c, "KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock");
row(0x3b, "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal");
row(0xc7, "Home ArrowUp PageUp");
row(0xcf, "End ArrowDown PageDown Insert Delete");
row(0xdb, "MetaLeft MetaRight ContextMenu");
Object.assign(scanCodes, { NumpadEnter: 0x9c, ControlRight: 0x9d, NumpadDivide: 0xb5, PrintScreen: 0xb7, AltRight: 0xb8, ArrowLeft: 0xcb, ArrowRight: 0xcd });

const keysyms = {
  Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, Pause: 0xff13, ScrollLock: 0xff14, Escape: 0xff1b, Home: 0xff50,
  ArrowLeft: 0xff51, ArrowUp: 0xff52, ArrowRight: 0xff53, ArrowDown: 0xff54, PageUp: 0xff55, PageDown: 0xff56, End: 0xff57,
  PrintScreen: 0xff61, Insert: 0xff63, ContextMenu: 0xff67, NumLock: 0xff7f, Shift: 0xffe1, Control: 0xffe3, CapsLock: 0xffe5,
  Alt: 0xffe9, Meta: 0xffeb, AltGraph: 0xfe03, Delete: 0xffff,
};
for (let i = 1; i <= 12; i++) keysyms[`F${i}`] = 0xffbd + i;

export function scanCode(event) { return scanCodes[event.code] ?? 0; }

// keysym of a key's name or of the character it gives; 0 if there is none.
export function keysym(key) {
  if (keysyms[key]) return keysyms[key];
  const point = key.codePointAt(0);
  if (key.length !== String.fromCodePoint(point).length) return 0; // another name
  return point < 0x100 ? point : 0x1000000 | point;
}

// shifted tells whether a US keyboard gives the character with Shift only.
export function shifted(character) { return /[A-Z~!@#$%^&*()_+{}|:"<>?]/.test(character); }
