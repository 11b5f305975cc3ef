export { PYTHON_PACKAGES, pythonEnvironment } from "./python-environment.js";
