// Live alerts on every page: one stream of events for all tabs of a browser, clocks that count, sound and title for new ones.
//
//   [data-alerts-bell]        number of open tasks; data-alerts-stream on it (or on <body>) names the stream
//   [data-live="…"]           a part that is fetched anew when the site's pulse is not its own data-pulse (and data-late):
//                             board (posts #alert-state), wall, strip, news (data-url)
//   time[data-due]            a clock: seconds since 1970; the server's own time stands in data-now around it
//   [data-alerts-offline]     shown while the stream is down          [data-alerts-sound]   switches sound on and off
//   [data-alert-page]         another page of the board               [data-tick]           ticks boxes of the hand-over
// What happened is never told by an event, only that something did: what was missed while the line was down is in the next fetch.
"use strict";

(() => {
  const OFFLINE_AFTER = 2000;
  const LONGEST_WAIT = 30000;
  const SOUND_KEY = "exam.alerts.sound";
  const LOCK = "exam-alerts-stream";

  const streamPlace = () => document.querySelector("[data-alerts-stream]");
  const all = (selector) => [...document.querySelectorAll(selector)];
  let beacon = null;

  // --- clocks --------------------------------------------------------------------------------------------------------

  let ahead = 0;  // how far the server's clock is ahead of this machine's, in seconds

  function setClock(part) {
    const now = Number((part || document).querySelector?.("[data-now]")?.dataset.now || part?.dataset?.now);
    if (now) ahead = now - Date.now() / 1000;
  }

  function duration(seconds) {
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(seconds / 3600);
    const two = (number) => String(number).padStart(2, "0");
    if (minutes < 10) return minutes ? `${minutes} 分 ${two(seconds % 60)} 秒` : `${seconds} 秒`;
    if (hours < 1) return `${minutes} 分`;
    if (hours < 24) return `${hours} 时 ${two(minutes % 60)} 分`;
    return `${Math.floor(hours / 24)} 天 ${hours % 24} 时`;
  }

  function tick() {
    const now = Date.now() / 1000 + ahead;
    for (const clock of all("time[data-due]")) {
      const left = Math.trunc(Number(clock.dataset.due) - now);
      const isLate = Number(clock.dataset.due) < now;
      const words = `${isLate ? "超时" : "剩"} ${duration(Math.abs(left))}`;
      if (clock.textContent !== words) clock.textContent = words;
      clock.classList.toggle("is-late", isLate);
      clock.closest(".alert-card, .alert-now, .wall-table tr")?.classList.toggle("is-late", isLate);
    }
    for (const place of all("[data-wall-time]")) {
      place.textContent = new Date(now * 1000).toLocaleTimeString("zh-CN", { hour: "2-digit", minute: "2-digit", hour12: false });
    }
  }

  // --- showing a part anew -------------------------------------------------------------------------------------------

  const token = () => document.querySelector('meta[name="csrf-token"]')?.content || "";
  const fetching = new WeakMap();  // part's kind -> whether it has to be fetched once more

  function requestFor(part) {
    const headers = { "hx-request": "true", "x-live": "1", "x-csrf-token": token() };
    if (part.dataset.live === "board") {
      const form = document.getElementById("alert-state");
      return [form.action, { method: "POST", headers, body: new URLSearchParams(new FormData(form)) }];
    }
    return [part.dataset.live === "wall" ? "/alerts/wall" : part.dataset.url, { headers }];
  }

  async function renew(part) {
    if (fetching.has(part)) {
      fetching.set(part, true);
      return;
    }
    fetching.set(part, false);
    try {
      const [url, options] = requestFor(part);
      const answer = await fetch(url, { ...options, credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(part.id);
      if (!fresh || !part.isConnected) return;
      window.Idiomorph.morph(part, fresh, { morphStyle: "outerHTML" });
      setClock(document.getElementById(fresh.id));
      tick();
    } catch {
      // The line is down; the next event fetches it.
    } finally {
      const isWanted = fetching.get(part);
      fetching.delete(part);
      const there = document.getElementById(part.id);
      if (there && isWanted) renew(there);
    }
  }

  function isBehind(part) {
    if (Number(part.dataset.pulse) !== beacon.pulse) return true;
    return part.dataset.late !== undefined && Number(part.dataset.late) !== beacon.late;
  }

  // --- what an event brings ------------------------------------------------------------------------------------------

  function take(told) {
    const before = beacon;
    beacon = told;
    showBell();
    all("[data-live]").filter(isBehind).forEach(renew);
    const isNew = before && told.newest_at && (!before.newest_at || Date.parse(told.newest_at) > Date.parse(before.newest_at));
    if (isNew) {
      if (!document.hidden) ring();
      flash();
    }
  }

  function showBell() {
    for (const bell of all("[data-alerts-bell]")) {
      bell.querySelector("[data-count]").textContent = beacon.open || "";
      bell.classList.toggle("has-open", beacon.open > 0);
      bell.classList.toggle("is-late", beacon.late > 0);
      bell.title = beacon.open ? `危急值待办 ${beacon.open} 项${beacon.late ? `,超时 ${beacon.late} 项` : ""}` : "没有危急值待办";
      bell.querySelector("[data-words]").textContent = bell.title;
    }
  }

  let offlineTimer = 0;

  function showLine(isUp) {
    if (!isUp && offlineTimer) return;  // every failed attempt says so: the first one counts
    clearTimeout(offlineTimer);
    offlineTimer = 0;
    const show = () => {
      all("[data-alerts-offline]").forEach((note) => { note.hidden = isUp; });
      all("[data-alerts-bell]").forEach((bell) => bell.classList.toggle("is-offline", !isUp));
    };
    if (isUp) show();
    else offlineTimer = setTimeout(show, OFFLINE_AFTER);
  }

  // --- one stream for all tabs: whoever holds the lock listens and passes it on ----------------------------------------

  const channel = window.BroadcastChannel ? new BroadcastChannel(LOCK) : null;
  let isUp = false;

  function pass(message) {
    channel?.postMessage(message);
    hear(message);
  }

  function hear(message) {
    if (message.beacon) take(message.beacon);
    if (message.line !== undefined) showLine(message.line);
  }

  channel?.addEventListener("message", (event) => {
    if (event.data.asks) {
      if (isLeader && beacon) channel.postMessage({ beacon, line: isUp });
    } else {
      hear(event.data);
    }
  });

  let isLeader = false;

  /** Listens until the page goes away; never resolves, so that the lock stays held. */
  function listen(url) {
    isLeader = true;
    let wait = 500;
    const open = () => {
      const source = new EventSource(url);
      const again = (pause) => {
        source.close();
        setTimeout(open, pause);
      };
      source.addEventListener("alerts", (event) => {
        wait = 500;
        isUp = true;
        pass({ beacon: JSON.parse(event.data), line: true });
      });
      source.addEventListener("end", () => again(0));
      source.onerror = () => {
        isUp = false;
        pass({ line: false });
        wait = Math.min(wait * 2, LONGEST_WAIT);
        again(wait * (0.75 + Math.random() / 2));  // or all desks would come back in the same moment
      };
    };
    open();
    return new Promise(() => {});
  }

  function join() {
    const url = streamPlace()?.dataset.alertsStream;
    if (!url || !window.EventSource) return;
    if (!navigator.locks || !channel || url.includes("wall=")) {
      listen(url);
      return;
    }
    channel.postMessage({ asks: true });
    navigator.locks.request(LOCK, () => listen(url));
  }

  // --- sound and title -------------------------------------------------------------------------------------------------

  let audio = null;

  const isSoundOn = () => localStorage.getItem(SOUND_KEY) === "on";

  function showSound() {
    for (const button of all("[data-alerts-sound]")) {
      const isReady = isSoundOn() && audio?.state === "running";
      button.setAttribute("aria-pressed", String(isSoundOn()));
      button.classList.toggle("is-waiting", isSoundOn() && !isReady);
      button.title = !isSoundOn() ? "新的危急值、A 类结果出现时响铃" : isReady ? "声音已开启" : "浏览器要求先点击一次本页,声音才会响";
    }
  }

  async function wakeSound() {
    if (!isSoundOn() || !window.AudioContext) return;
    audio ||= new AudioContext();
    if (audio.state === "suspended") await audio.resume().catch(() => {});
    showSound();
  }

  /** Two short rising tones, twice. */
  function ring() {
    if (!isSoundOn() || audio?.state !== "running") return;
    document.documentElement.dataset.alertsRung = String(Number(document.documentElement.dataset.alertsRung || 0) + 1);
    [0, 0.18, 0.5, 0.68].forEach((start, index) => {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = index % 2 ? 1175 : 880;
      volume.gain.setValueAtTime(0.15, audio.currentTime + start);
      volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + start + 0.16);
      tone.connect(volume).connect(audio.destination);
      tone.start(audio.currentTime + start);
      tone.stop(audio.currentTime + start + 0.17);
    });
  }

  let ownTitle = "";
  let flashing = 0;

  function flash() {
    if (flashing) return;
    ownTitle = document.title;
    let isOn = false;
    const show = () => {
      isOn = !isOn;
      document.title = isOn ? `(${beacon.urgent}) 危急值` : ownTitle;
    };
    show();
    flashing = setInterval(show, 1000);
  }

  function calm() {
    if (!flashing) return;
    clearInterval(flashing);
    flashing = 0;
    document.title = ownTitle;
  }

  // --- clicks and keys -------------------------------------------------------------------------------------------------

  for (const name of ["pointerdown", "keydown"]) {
    document.addEventListener(name, () => {
      calm();
      if (isSoundOn() && audio?.state !== "running") wakeSound();
    }, { capture: true, passive: true });
  }

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-alerts-sound]")) {
      localStorage.setItem(SOUND_KEY, isSoundOn() ? "off" : "on");
      wakeSound().then(ring);
      showSound();
    }
    const page = target?.closest("[data-alert-page]");
    const form = document.getElementById("alert-state");
    if (page && form) {
      form.elements.page.value = page.dataset.alertPage;
      renew(document.getElementById("alert-list"));
    }
    const which = target?.closest("[data-tick]")?.dataset.tick;
    if (which) {
      all('input[name="alert"][type="checkbox"]').forEach((box) => { box.checked = which === "all" || (which === "mine" && box.dataset.mine !== undefined); });
      countTicked();
    }
  });

  function countTicked() {
    const ticked = all('input[name="alert"][type="checkbox"]:checked').length;
    all("[data-ticked]").forEach((place) => { place.textContent = ticked ? `已选 ${ticked} 项` : "尚未选择"; });
  }

  // A relative is not called as the person is: the prefilled name goes, what was typed stays.
  document.addEventListener("change", (event) => {
    if (event.target.name === "alert") countTicked();
    const name = event.target.name === "recipient" && event.target.form?.elements.recipient_name;
    if (!name) return;
    name.dataset.own ||= name.defaultValue;
    if (event.target.value === "person" && name.value === "") name.value = name.dataset.own;
    else if (event.target.value !== "person" && name.value === name.dataset.own) name.value = "";
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    setClock(event.detail.target);
    tick();
    if (beacon) all("[data-live]").filter(isBehind).forEach(renew);
  });

  document.addEventListener("DOMContentLoaded", () => {
    setClock(document);
    tick();
    setInterval(tick, 1000);
    showSound();
    wakeSound();
    countTicked();
    join();
  });
})();
