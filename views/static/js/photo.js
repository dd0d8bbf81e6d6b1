// Chooses the square of a photo before it is sent; without this file the server keeps its middle.
// In a block: scripts share their names.
{
  const form = document.querySelector("[data-photo]");
  const input = form.querySelector("input[type=file]");
  const crop = form.querySelector("[data-crop]");
  const view = form.querySelector("[data-view]");
  const said = form.querySelector("[data-said]");
  const send = form.querySelector("[data-send]");
  const [zoom, across, down] = ["zoom", "across", "down"].map((name) =>
    form.querySelector(`[data-${name}]`),
  );
  const MAX_BYTES = 2 * 1024 * 1024;
  const MAX_SIDE = 1600;
  const LEAST = 32;

  let picture = null;
  const fields = {};
  for (const name of ["x", "y", "side"]) {
    fields[name] = Object.assign(document.createElement("input"), { type: "hidden", name });
  }

  function square() {
    const { naturalWidth: width, naturalHeight: height } = picture;
    const least = Math.min(width, height);
    const side = Math.max(Math.min(LEAST, least), Math.round((least * 100) / zoom.value));
    return {
      x: Math.round(((width - side) * across.value) / 100),
      y: Math.round(((height - side) * down.value) / 100),
      side,
    };
  }

  function draw() {
    const chosen = square();
    for (const [name, field] of Object.entries(fields)) {
      field.value = chosen[name];
    }
    const { x, y, side } = chosen;
    const context = view.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, view.width, view.height);
    context.drawImage(picture, x, y, side, side, 0, 0, view.width, view.height);
  }

  function read(file) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => {
        const image = new Image();
        image.addEventListener("load", () => resolve(image));
        image.addEventListener("error", reject);
        image.src = reader.result;
      });
      reader.addEventListener("error", reject);
      reader.readAsDataURL(file);
    });
  }

  // What a telephone takes is larger than what may be sent: it is made smaller here.
  async function lighter(image) {
    const scale = Math.min(1, MAX_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => {
      canvas.toBlob(resolve, "image/jpeg", 0.9);
    });
    const files = new DataTransfer();
    files.items.add(new File([blob], "photo.jpg", { type: "image/jpeg" }));
    input.files = files.files;
    return read(files.files[0]);
  }

  function show(image) {
    picture = image;
    for (const field of Object.values(fields)) {
      form.append(field);
    }
    zoom.value = 100;
    across.value = 50;
    down.value = 50;
    crop.hidden = false;
    send.textContent = "Enregistrer";
    draw();
  }

  function clear(text) {
    picture = null;
    for (const field of Object.values(fields)) {
      field.remove();
    }
    crop.hidden = true;
    said.textContent = text;
    send.textContent = "Voir l'aperçu";
  }

  input.addEventListener("change", async () => {
    clear("");
    // What the server said of the last one is over.
    for (const old of form.querySelectorAll("#erreurs, #photo-erreur")) {
      old.remove();
    }
    input.closest(".field").classList.remove("field-wrong");
    input.removeAttribute("aria-invalid");
    input.setAttribute("aria-describedby", "photo-aide");
    const [file] = input.files;
    if (!file) {
      return;
    }
    try {
      const image = await read(file);
      show(file.size > MAX_BYTES ? await lighter(image) : image);
    } catch {
      clear(
        "Ce fichier n'est pas une photo que nous savons lire. Choisissez une photo JPEG, PNG ou WebP.",
      );
    }
  });

  for (const control of [zoom, across, down]) {
    control.addEventListener("input", draw);
  }

  // The preview itself may be pulled.
  view.addEventListener("pointerdown", (event) => view.setPointerCapture(event.pointerId));
  view.addEventListener("pointermove", (event) => {
    if (!picture || !view.hasPointerCapture(event.pointerId)) {
      return;
    }
    const { side } = square();
    const scale = side / view.clientWidth;
    for (const [control, moved, room] of [
      [across, event.movementX, picture.naturalWidth - side],
      [down, event.movementY, picture.naturalHeight - side],
    ]) {
      if (room > 0) {
        control.value = Number(control.value) - (moved * scale * 100) / room;
      }
    }
    draw();
  });
}
