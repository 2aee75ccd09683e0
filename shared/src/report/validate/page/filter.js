
(function () {
  var words = document.getElementById("words"), shown = document.getElementById("shown");
  var boxes = document.querySelectorAll("#filter input[type=checkbox]"), rows = document.querySelectorAll("tr[class]");
  function apply() {
    var wanted = {}, text = words.value.toLowerCase(), count = 0;
    boxes.forEach(function (box) { wanted[box.value] = box.checked; });
    rows.forEach(function (row) {
      var fits = wanted[row.className] && row.textContent.toLowerCase().indexOf(text) >= 0;
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    document.querySelectorAll(".section").forEach(function (section) {
      var all = section.querySelectorAll("tr[class]"), some = section.querySelector("tr[class]:not([hidden])");
      section.hidden = all.length > 0 && !some;
      if (text && some && all.length > 0) { section.open = true; }
    });
    shown.textContent = count + " of " + rows.length;
  }
  words.addEventListener("input", apply);
  boxes.forEach(function (box) { box.addEventListener("change", apply); });
  apply();
})();
