/** The metrics and their package, loaded at the first request for them. */
export const metricsModule = () => import("./metrics.js");
