// Deeds are changes of users and roles: tried, told of, and then what is shown
// is brought up to date. What makes them is marked data-edits, and disabled
// while editing is locked.
export class Deeds {
  constructor({ ctx, changed }) {
    Object.assign(this, { ctx, changed });
    this.locked = true;
  }

  lock(element, locked) {
    this.locked = locked;
    this.lockNew(element);
  }

  // lockNew does for what was drawn since what lock did before.
  lockNew(element) {
    for (const control of element.querySelectorAll("[data-edits]")) control.disabled = this.locked;
  }

  // attempt answers whether it was done.
  async attempt(what, deed, done) {
    let well = true;
    try {
      await deed();
      this.ctx.announce(done, "ok");
    } catch (err) {
      well = false;
      this.ctx.announce(`${what} was refused: ${err.words ?? err.message}`, "error");
    }
    await this.changed();
    return well;
  }
}
