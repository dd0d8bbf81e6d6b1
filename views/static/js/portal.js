// Shows the tiles that match while one types; without this file the form asks the server.
// In a block: scripts of one page share their names.
{
  const search = document.querySelector("[data-tile-search]");
  const input = search.querySelector("input");
  const count = search.querySelector("[data-tile-count]");
  const tiles = [...document.querySelectorAll(".tiles > .tile")];

  // As the server folds a text: accents, case, hyphens and apostrophes make no difference.
  const fold = (text) =>
    text
      .normalize("NFKD")
      .replace(/\p{M}/gu, "")
      .toLowerCase()
      .replaceAll("œ", "oe")
      .replaceAll("æ", "ae")
      .replace(/[-'’\s]+/g, " ")
      .trim();

  const said = (tile, part) => tile.querySelector(part)?.textContent ?? "";
  const texts = tiles.map((tile) =>
    fold(`${said(tile, ".tile-name")} ${said(tile, ".tile-description")}`),
  );

  input.addEventListener("input", () => {
    const words = fold(input.value).split(" ");
    let found = 0;
    for (const [index, tile] of tiles.entries()) {
      tile.hidden = !words.every((word) => texts[index].includes(word));
      found += tile.hidden ? 0 : 1;
    }
    const all = found === tiles.length;
    count.textContent = all
      ? `${found} applications`
      : `${found} application${found > 1 ? "s" : ""} sur ${tiles.length}`;
  });
  search.querySelector("button").hidden = true;
  search.addEventListener("submit", (event) => event.preventDefault());
}
