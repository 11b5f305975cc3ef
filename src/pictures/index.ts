export type { DrawnPicture } from "./draw-port.js";
export { renderPicture, type RenderPictureOptions } from "./render.js";
export { pictureTitle } from "./title.js";
