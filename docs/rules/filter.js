// Filters the tables of the rule index by words, severity and fix. A topic without a rule left is hidden with its heading.
document.addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("rule-filter");
  if (!place) return;
  const form = document.createElement("form");
  form.innerHTML = `
    <input type="search" name="words" placeholder="words, such as stapling" aria-label="words">
    <select name="severity" aria-label="severity">
      <option value="">any severity<option>error<option>warning<option>note
    </select>
    <select name="fix" aria-label="fix">
      <option value="">any fix<option value="safe">safe fix<option value="unsafe">unsafe fix<option value="none">no fix
    </select>
    <output name="count" aria-live="polite"></output>`;
  place.append(form);
  const topics = [...document.querySelectorAll("article table")].map(table => {
    const box = table.closest(".md-typeset__scrollwrap") ?? table;
    let heading = box.previousElementSibling;
    while (heading && heading.tagName !== "H2") heading = heading.previousElementSibling;
    return { parts: [box, heading], name: heading?.textContent ?? "", rows: [...table.tBodies[0].rows] };
  });
  const total = topics.reduce((sum, topic) => sum + topic.rows.length, 0);

  function filter() {
    const words = form.elements.words.value.toLowerCase().split(/\s+/);
    const { severity, fix } = form.elements;
    let shown = 0;
    for (const topic of topics) {
      let here = 0;
      for (const row of topic.rows) {
        const text = `${topic.name} ${row.textContent}`.toLowerCase();
        const kinds = row.cells[2].textContent.split(", ");
        row.hidden = !words.every(word => text.includes(word))
          || (severity.value && !row.cells[1].textContent.startsWith(severity.value))
          || (fix.value && !kinds.includes(fix.value));
        here += !row.hidden;
      }
      for (const part of topic.parts) if (part) part.hidden = !here;
      shown += here;
    }
    form.elements.count.value = `${shown} of ${total} rules`;
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.elements.words.value = new URLSearchParams(location.search).get("filter") ?? "";
  filter();
});
