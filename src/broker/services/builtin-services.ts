import type { LogLevel } from "../../messages/index.js";
import type { RankWaits } from "../../waits/index.js";
import type { Attributes } from "../attributes.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { Clock } from "../clock.js";
import type { Configuration } from "../configuration.js";
import type { Environment } from "../environment.js";
import type { ExecTable } from "../exec/exec-table.js";
import type { BrokerLog } from "../log/log.js";
import type { ProgramLogs } from "../log/program-logs.js";
import type { ModuleTable } from "../modules/module-table.js";
import type { RankOrders } from "../ranks/rank-orders.js";
import type { Roster } from "../ranks/roster.js";
import type { MessageTrace } from "../routing/message-trace.js";
import type { Overlay } from "../routing/overlay.js";
import type { Router } from "../routing/router.js";
import { unitMessages } from "../routing/unit-messages.js";
import { attrService } from "./attr-service.js";
import { brokerService } from "./broker-service.js";
import { configService } from "./config-service.js";
import { eventService } from "./event-service.js";
import { execService } from "./exec-service.js";
import { logService } from "./log-service.js";
import { moduleService } from "./module-service.js";
import type { BrokerFacts } from "./module-usage.js";
import { overlayService } from "./overlay-service.js";
import { type Runs, runService } from "./run-service.js";
import { serviceService } from "./service-service.js";

/** The parts of a broker that its own services use. */
export interface BrokerParts {
  readonly rank: number;
  readonly attributes: Attributes;
  readonly clock: Clock;
  readonly commands: ExecTable;
  readonly configuration: Configuration;
  readonly environment: Environment;
  readonly facts: BrokerFacts;
  readonly log: BrokerLog;
  readonly modules: ModuleTable;
  readonly orders: RankOrders;
  readonly overlay: Overlay;
  readonly programs: ProgramLogs;
  readonly roster: Roster;
  readonly router: Router;
  readonly runs: Runs;
  readonly trace: MessageTrace;
  readonly publish: Overlay["publish"];
  readonly requestShutdown: () => void;
  /** The module of a rank has failed. */
  readonly panic: (message: string) => void;
  readonly waits: () => RankWaits;
}

/** The services that a broker itself has, before any module is loaded. Rank 0 has one service more. */
export function builtinServices(broker: BrokerParts): ServiceDefinition[] {
  const { log, modules, programs, router } = broker;
  const services = [
    moduleService(modules, {
      ...{ trace: broker.trace, clock: broker.clock, facts: broker.facts },
      messages: () => ({
        isComplete: performance.now() < router.notesUntilMs,
        between: unitMessages(router.peers(), router.subscriptions),
      }),
      apply: {
        ...{ modules, clock: broker.clock },
        log: (level: LogLevel, text: string) => log.append("broker", level, text),
        announce: (planned) => announcePlanned(broker.attributes, planned),
        lastLines: (unit) => programs.lastLines(unit),
        servicesOf: ({ instance }) => (instance === undefined ? [] : router.services.namesOf(instance.peer)),
      },
    }),
    serviceService(router, modules),
    eventService(router, broker.publish),
    attrService(broker.attributes),
    configService(broker.configuration),
    logService({
      ring: log.ring,
      programs,
      append: (name, level, text) => log.append(name, level, text),
    }),
    execService(broker.commands),
    brokerService({
      environment: broker.environment,
      requestShutdown: broker.requestShutdown,
      waits: broker.waits,
    }),
    runService(broker.runs),
  ];
  return broker.rank === 0 ? [...services, leading(broker)] : services;
}

/** The services that only rank 0 has. */
function leading({ orders, overlay, panic, roster }: BrokerParts): ServiceDefinition {
  return overlayService(
    {
      roster,
      places: () => overlay.places?.() ?? [],
      epoch: () => overlay.epoch?.(),
      access: () => overlay.access?.(),
      forget: (rank) => {
        overlay.forget?.(rank);
        roster.forgotten(rank);
      },
    },
    orders,
    (rank, message) => panic(`rank ${rank}: ${message}`),
  );
}

/** The attribute with the services that a run is about to load. */
function announcePlanned(attributes: Attributes, services: readonly string[] = []): void {
  if (services.length > 0) attributes.set("modprobe.planned", services.join(","));
  else if (attributes.get("modprobe.planned") !== undefined) attributes.remove("modprobe.planned");
}
