// Filters the tables of the rule index by the words in the field above them.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("rule-filter");
  field?.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const table of document.querySelectorAll("article table")) {
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
        shown += !row.hidden;
      }
      table.hidden = !shown;
    }
  });
});
