(function () {
  "use strict";
  var root = document.documentElement;
  document.getElementById("theme").addEventListener("click", function () {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("hyp-theme", root.dataset.theme); } catch (e) { /* private window */ }
  });

  // The index is made from the page itself on first use: one entry for each clause, element, id and function.
  var index = null;
  function build() {
    var entries = [], clause = null;
    var walker = document.querySelectorAll(
      "main h1[id],main h2[id],main h3[id],main h4[id],main .sem,main tr[id],main .model,main p,main li,main pre");
    walker.forEach(function (node) {
      if (/^H[1-4]$/.test(node.tagName)) {
        clause = { id: node.id, title: node.textContent.replace(/#\S+$/, "").trim(), text: "", weight: 3 };
        entries.push(clause);
      } else if (node.id && (node.matches(".sem,tr,.model"))) {
        var kind = node.id.replace(/^(sem|syn|model)\./, "");
        entries.push({ id: node.id, title: kind, text: node.textContent, weight: node.matches(".sem") ? 2 : 1 });
      } else if (clause && !node.closest(".sem,tr,.model")) {
        clause.text += " " + node.textContent;
      }
    });
    entries.forEach(function (e) { e.low = (e.title + " " + e.id + " " + e.text).toLowerCase(); });
    return entries;
  }
  function escape(s) { return s.replace(/[&<>]/g, function (c) { return { "&": "&amp;", "<": "&lt;", ">": "&gt;" }[c]; }); }
  function mark(s, words) {
    var out = escape(s);
    words.forEach(function (w) {
      out = out.replace(new RegExp("(" + w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + ")", "ig"), "<mark>$1</mark>");
    });
    return out;
  }
  var box = document.getElementById("search"), hits = document.getElementById("hits"),
      contents = document.getElementById("contents");
  function search() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    hits.hidden = !words.length;
    contents.hidden = !!words.length;
    hits.textContent = "";
    if (!words.length) { return; }
    index = index || build();
    var found = index.filter(function (e) { return words.every(function (w) { return e.low.indexOf(w) >= 0; }); });
    found.forEach(function (e) {
      var title = e.title.toLowerCase();
      e.rank = e.weight + words.reduce(function (n, w) {
        return n + (title === w ? 20 : title.indexOf(w) >= 0 ? 8 : 0);
      }, 0);
    });
    found.sort(function (a, b) { return b.rank - a.rank; });
    found.slice(0, 40).forEach(function (e) {
      var at = Math.max(0, e.text.toLowerCase().indexOf(words[0]) - 40);
      var item = document.createElement("li"), link = document.createElement("a");
      link.href = "#" + e.id;
      link.innerHTML = mark(e.title, words) + "<small>" +
        mark(e.text.slice(at, at + 130).replace(/\s+/g, " "), words) + "</small>";
      item.appendChild(link);
      hits.appendChild(item);
    });
    if (!found.length) { hits.innerHTML = "<li>nothing found</li>"; }
  }
  box.addEventListener("input", search);
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); box.select(); }
    if (event.key === "Escape" && document.activeElement === box) { box.value = ""; search(); box.blur(); }
  });

  var links = {};
  document.querySelectorAll("#contents a").forEach(function (a) { links[a.hash.slice(1)] = a; });
  if ("IntersectionObserver" in window) {
    var here = null;
    var watcher = new IntersectionObserver(function (seen) {
      seen.forEach(function (entry) {
        var link = links[entry.target.id];
        if (entry.isIntersecting && link) {
          if (here) { here.classList.remove("here"); }
          here = link;
          here.classList.add("here");
          here.scrollIntoView({ block: "nearest" });
        }
      });
    }, { rootMargin: "0px 0px -75% 0px" });
    Object.keys(links).forEach(function (id) {
      var node = document.getElementById(id);
      if (node) { watcher.observe(node); }
    });
  }
})();
