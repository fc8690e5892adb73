// The page around a guest's screen. Its address says where the screen is, in
// the parameter "path" as noVNC has it, and what to call it, in "title".
import { RFB } from "./rfb.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

const name = query.get("title");
if (name) $("name").textContent = name;
document.title = name ? `noVNC – ${name}` : "noVNC";

// Only this very host is asked, whatever the parameter says.
function socketURL() {
  const url = new URL(location.origin);
  const [path, search] = (query.get("path") ?? "").split("?", 2);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.pathname = path;
  url.search = search ?? "";
  return url;
}

let opened = false;
const rfb = new RFB(socketURL(), $("screen"), {
  open(desktop) {
    opened = true;
    $("status").textContent = desktop;
    $("screen").focus();
  },
  closed(why) {
    document.body.classList.add("ended");
    $("status").textContent = (why ||
      (opened ? "The connection has ended." : "The address is wrong or has expired.")) +
      " Ask for a new one: openstack console url show";
  },
});

$("cad").onclick = () => { rfb.ctrlAltDel(); $("screen").focus(); };
$("full").onclick = () => { document.documentElement.requestFullscreen(); $("screen").focus(); };
$("type").onclick = () => { $("text").value = ""; $("typing").showModal(); };
$("typing").onclose = () => {
  if ($("typing").returnValue === "type") rfb.type($("text").value);
  $("typing").returnValue = "";
  $("text").value = "";
  $("screen").focus();
};
