import { requestError } from "../../errors/index.js";
import { isName } from "../../units/index.js";
import { isOfBroker, type Peer } from "./peer.js";

/** The provider of each service name. A name has one owner at a time. */
export class ServiceTable {
  readonly #owners = new Map<string, Peer>();
  readonly #names = new Map<Peer, Set<string>>();
  readonly #watchers = new Set<(name: string) => void>();

  owner(name: string): Peer | undefined {
    return this.#owners.get(name);
  }

  /** The services that are part of the broker. */
  ofBroker(): string[] {
    return [...this.#owners].flatMap(([name, owner]) => (isOfBroker(owner) ? [name] : []));
  }

  /** Names of a peer in the order added. */
  namesOf(peer: Peer): readonly string[] {
    return [...(this.#names.get(peer) ?? [])];
  }

  /**
   * @throws SluiceError BROKER_REQUEST `EINVAL` for an invalid name, `EEXIST` if it has an owner
   */
  add(name: string, owner: Peer): void {
    if (!isName(name)) throw requestError("EINVAL", `invalid service name '${name}'`);
    const holder = this.#owners.get(name);
    if (holder !== undefined) {
      throw requestError("EEXIST", `${holder.name} already provides service ${name}`);
    }
    this.#set(name, owner);
  }

  /** @throws SluiceError BROKER_REQUEST `ENOENT` unless this peer owns it */
  remove(name: string, owner: Peer): void {
    if (this.#owners.get(name) !== owner) {
      throw requestError("ENOENT", `${owner.name} does not provide service ${name}`);
    }
    this.#unset(name, owner);
  }

  /** Gives a name to another peer, regardless of its present owner. */
  move(name: string, owner: Peer): void {
    const before = this.#owners.get(name);
    if (before !== undefined) this.#unset(name, before);
    this.#set(name, owner);
  }

  removeAll(owner: Peer): void {
    for (const name of this.namesOf(owner)) this.#unset(name, owner);
  }

  /**
   * Calls back with each name that has got an owner.
   * @returns a function that ends this
   */
  onOwner(listener: (name: string) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  #set(name: string, owner: Peer): void {
    this.#owners.set(name, owner);
    const names = this.#names.get(owner);
    if (names === undefined) this.#names.set(owner, new Set([name]));
    else names.add(name);
    for (const watcher of [...this.#watchers]) watcher(name);
  }

  #unset(name: string, owner: Peer): void {
    this.#owners.delete(name);
    const names = this.#names.get(owner);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(owner);
  }
}
