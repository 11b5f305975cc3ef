export { PYTHON_PACKAGES, pythonEnvironment } from "./environment.js";
