// Says while one types what the server will say (directory/password_policy.py, which judges), but
// for its dictionary. Nothing typed leaves the page.
const ROWS = [
  "01234567890123456789",
  "abcdefghijklmnopqrstuvwxyz",
  "azertyuiop",
  "qsdfghjklm",
  "wxcvbn",
  "qwertyuiop",
  "asdfghjkl",
  "zxcvbnm",
  "aqwzsxedcrfvtgbyhnujikolpm",
  "1aqw2zsx3edc4rfv5tgb6yhn7uj8ik9ol0pm",
  "qazwsxedcrfvtgbyhnujmikolp",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
];
const RUN = 4;
const ENOUGH_LEFT = 6;
const FEWEST = 5;
const PAUSE = 600;
const RUNS = new Set();
for (const row of ROWS) {
  for (const line of [row, [...row].reverse().join("")]) {
    for (let start = 0; start + RUN <= line.length; start += 1) {
      RUNS.add(line.slice(start, start + RUN));
    }
  }
}

function folded(text) {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{M}/gu, "")
    .replace(/œ/g, "oe")
    .replace(/æ/g, "ae")
    .replace(/ß/g, "ss")
    .replace(/[-'’\s]+/g, " ")
    .trim();
}

// What is repeated, once.
function once(text) {
  return /^(.+?)\1+$/su.exec(text.slice(0, 128))?.[1] ?? text;
}

function letters(text) {
  return text.replace(/[^\p{L}]/gu, "").length;
}

function isExpected(text, words) {
  const left = words.reduce((rest, word) => rest.replaceAll(word, " "), text);
  return left !== text && letters(left) < ENOUGH_LEFT;
}

function isRow(text) {
  if (new Set(text).size < FEWEST || text.length < ENOUGH_LEFT) {
    return true;
  }
  const inside = new Set();
  for (let start = 0; start + RUN <= text.length; start += 1) {
    const part = text.slice(start, start + RUN);
    if (RUNS.has(part) || new Set(part).size === 1) {
      for (let place = start; place < start + RUN; place += 1) {
        inside.add(place);
      }
    }
  }
  const left = [...text].filter((_, place) => !inside.has(place)).join("");
  return inside.size > 0 && letters(left) < ENOUGH_LEFT;
}

// Which rules hold, and what to say of it all.
function judged(password, policy) {
  const size = [...password].length;
  const text = once(folded(password));
  const holds = {
    length: size >= policy.minimum && size <= policy.maximum,
    words: size > 0 && !isExpected(text, policy.words),
    rows: size >= ENOUGH_LEFT && !isRow(text),
  };
  const missing = policy.minimum - size;
  if (size === 0) {
    return { holds, level: "", said: "" };
  }
  if (missing > 0) {
    const said = `Encore ${missing} caractère${missing > 1 ? "s" : ""} au moins.`;
    return { holds, level: "short", said };
  }
  if (size > policy.maximum) {
    return { holds, level: "short", said: `Au plus ${policy.maximum} caractères.` };
  }
  if (!holds.words || !holds.rows) {
    return { holds, level: "short", said: "Trop facile à deviner." };
  }
  // A word with digits around it may be in the dictionary, however long; several words seldom are.
  const words = new Set(text.split(/[^\p{L}\d]+/u).filter((word) => /^\p{L}{3,}$/u.test(word)));
  if (words.size >= 3) {
    const said = "Semble solide ; reste à vérifier qu'il n'est pas courant.";
    return { holds, level: "strong", said };
  }
  const said = "Assez long ; un ou deux mots de plus le rendraient plus sûr.";
  return { holds, level: "fair", said };
}

for (const input of document.querySelectorAll("[data-policy]")) {
  const policy = {
    minimum: Number(input.dataset.minimum),
    maximum: Number(input.dataset.maximum),
    words: input.dataset.words.split(" ").filter(Boolean),
  };
  const field = input.closest(".field");
  const shown = field.querySelector("[data-strength]");
  const said = field.querySelector("[data-strength-said]");
  let later;
  input.addEventListener("input", () => {
    const verdict = judged(input.value, policy);
    for (const rule of field.querySelectorAll("[data-rule]")) {
      rule.classList.toggle("rule-held", verdict.holds[rule.dataset.rule]);
    }
    shown.textContent = verdict.said;
    shown.className = `strength strength-${verdict.level}`;
    shown.hidden = !verdict.said;
    // Read out once the person pauses, not at each key.
    clearTimeout(later);
    later = setTimeout(() => {
      said.textContent = verdict.said;
    }, PAUSE);
  });
}
