/** The metrics and their package, loaded when they are asked for. */
export const metricsModule = () => import("./metrics.js");
