// Puts the page together: state in the middle; picture, lists and panels around it.

import { Agents } from "./agents.js";
import { Api } from "./api.js";
import { Cloud } from "./cloud.js";
import { startTheme, themeColours } from "./colour.js";
import { byID, h } from "./dom.js";
import { Inspector } from "./inspector.js";
import { legend } from "./legend.js";
import { Logical } from "./logical.js";
import { Login } from "./login.js";
import { Outline } from "./outline.js";
import { Physical } from "./physical.js";
import { Ports } from "./ports.js";
import { Search } from "./search.js";
import { Stage } from "./stage.js";
import { parse, State } from "./state.js";

const login = new Login(start);
login.begin();

function start() {
  const api = new Api(login.token, () => login.leave("Your session has ended. Sign in again."));
  const state = new State();
  const cloud = new Cloud(api);
  const pick = (key) => state.set({ selected: key });
  const stage = new Stage({ pick });
  const ports = new Ports(api, () => stage.draw());
  const outline = new Outline({ pick });
  const inspector = new Inspector({ api, cloud, state });
  const agents = new Agents(api, { pick: (key) => state.set({ view: "physical", selected: key }) });
  new Search(api, { pick: (match) => state.set(targetOf(match, state.shown.view)) });

  /** The view that the picture shows. */
  let drawn = "";
  const view = () => (state.shown.view === "physical" && cloud.known && !cloud.operator ? "logical" : state.shown.view);

  const redraw = () => {
    const v = view();
    if (v === "agents") return;
    stage.show(v === "physical" ? new Physical(cloud) : new Logical(cloud, ports), drawn !== v);
    drawn = v;
    outline.show(cloud, v);
    legend(v);
    showEmpty(cloud, v);
  };

  const arrange = () => {
    const v = view();
    const agentsShown = v === "agents";
    byID("picture").hidden = agentsShown;
    byID("outline").hidden = agentsShown;
    if (agentsShown) agents.show();
    else agents.hide();
    for (const tab of document.querySelectorAll(".tabs button")) {
      tab.setAttribute("aria-selected", String(tab.dataset.view === v));
      tab.tabIndex = tab.dataset.view === v ? 0 : -1;
      if (cloud.known) tab.hidden = !cloud.operator && tab.dataset.view !== "logical";
    }
    if (cloud.known) redraw();
  };

  const select = (visit) => {
    const key = state.shown.selected;
    stage.brush.selected = key;
    outline.select(key);
    if (visit) inspector.show(key);
    if (key && visit) bring(key, { stage, ports, cloud, api });
    stage.draw();
  };

  state.watch((now, before) => {
    if (now.view !== before.view) arrange();
    if (now.selected !== before.selected || now.view !== before.view) select(true);
    else if (now.from !== before.from || now.to !== before.to) inspector.show(now.selected);
  });

  let first = true;
  cloud.watch((changed) => {
    showTrouble(cloud);
    if (!first && !cloud.trouble) inspector.renew(changed);
    if (!changed) return;
    if (first) {
      first = false;
      arrange();
      select(true);
      performance.mark("lepton-first-picture");
      return;
    }
    redraw();
    select(false);
  });

  startTheme(() => {
    stage.brush.c = themeColours();
    stage.draw();
  });
  keys(state, stage);
  byID("sign-out").addEventListener("click", () => login.leave());
  arrange();
  cloud.ask();
}

/** Brings a thing into the picture. A port is first looked for, as its network may not
 * have been looked at yet. */
async function bring(key, { stage, ports, cloud, api }) {
  const { kind, id } = parse(key);
  if (stage.scene?.find(key)) return stage.visit(key);
  if (kind !== "port") return;
  try {
    const { body } = await api.get("ports/" + id, { fields: ["network_id", "binding:host_id"] });
    const network = cloud.networks.get(body.port.network_id);
    if (!network) return;
    if (stage.scene instanceof Physical) {
      const host = body.port["binding:host_id"] ?? "";
      if (stage.brush.selected === key) stage.brush.selected = `cell:${network.id}@${host}`;
      return stage.visit("host:" + host);
    }
    stage.visit("network:" + network.id);
    // Its tile can be found once the ports of the network are there.
    for (let tries = 0; tries < 60 && !ports.known(id); tries++) {
      ports.of(network);
      await new Promise((done) => setTimeout(done, 100));
    }
    if (stage.brush.selected === key) stage.visit(key);
  } catch {
    // The panel says that it is not there.
  }
}

/** What is selected for something that was found. */
function targetOf(match, view) {
  switch (match.type) {
    case "host":
      return { view: "physical", selected: "host:" + match.id };
    case "floatingip":
      return { view: "logical", selected: match.port_id ? "port:" + match.port_id : match.router_id ? "router:" + match.router_id : "network:" + match.network_id };
    case "port":
      return { view: view === "agents" ? "logical" : view, selected: "port:" + match.id };
    default:
      return { view: "logical", selected: `${match.type}:${match.id}` };
  }
}

function showTrouble(cloud) {
  const live = byID("live");
  const banner = byID("banner");
  live.textContent = cloud.trouble ? "no answer" : "live";
  live.className = "live " + (cloud.trouble ? "off" : "on");
  banner.hidden = !cloud.trouble;
  if (!cloud.trouble) return;
  const seconds = Math.max(1, Math.round((cloud.trouble.at - Date.now()) / 1000));
  const since = cloud.known ? " What is shown is what it said last." : "";
  banner.textContent = `${cloud.trouble.text}${since} It is asked again in ${seconds} s.`;
}

function showEmpty(cloud, view) {
  const empty = byID("empty");
  const nothing = view === "physical" ? !cloud.now.hosts?.some((host) => host.host) : !cloud.now.networks.length && !cloud.now.routers.length;
  empty.hidden = !nothing;
  if (!nothing) return;
  const [title, text] = view === "physical"
    ? ["No hosts yet", "A host shows here once its lepton-agent has introduced itself."]
    : ["No networks yet", "They show here as soon as somebody makes one: openstack network create NAME"];
  empty.replaceChildren(h("h2", { text: title }), h("p", { text }));
}

function keys(state, stage) {
  const tabs = [...document.querySelectorAll(".tabs button")];
  for (const tab of tabs) {
    tab.addEventListener("click", () => state.set({ view: tab.dataset.view }));
    tab.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      const shown = tabs.filter((t) => !t.hidden);
      if (!step || !shown.length) return;
      const next = shown[(shown.indexOf(tab) + step + shown.length) % shown.length];
      next.focus();
      state.set({ view: next.dataset.view });
    });
  }
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && !(e.target instanceof HTMLInputElement)) state.set({ selected: null });
  });
  addEventListener("focus", () => stage.draw());
}
