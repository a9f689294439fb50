// The downloads of this app, over Larder's local API (doc/local-api.md). What it
// promises stands in index.d.ts. It needs Node 18 and nothing else.

import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const EVENTS = ['began', 'paused', 'progress', 'challenge', 'finished', 'failed', 'purged'];
const RECONNECT = 500; // milliseconds from a lost connection to the next try
const MAX_ANSWER = 256 << 20;
const FIELDS = ['identifier', 'uniqueIdentifier', 'manifest', 'state', 'url', 'method', 'headers', 'body', 'fileSize', 'essential', 'priority',
  'applicationGroupIdentifier'];

export const Code = Object.freeze({
  downloadInvalid: 0,
  callFromInactiveProcessNotAllowed: 51,
  callerConnectionNotAccepted: 55,
  callerConnectionInvalid: 56,
  downloadAlreadyScheduled: 100,
  downloadNotScheduled: 101,
  downloadEssentialDownloadNotPermitted: 109,
  downloadBackgroundActivityProhibited: 111,
  downloadWouldExceedAllowance: 112,
  downloadDoesNotExist: 113,
  sessionDownloadDisallowedByDomain: 202,
  sessionDownloadDisallowedByAllowance: 203,
  sessionDownloadAllowanceExceeded: 204,
  sessionDownloadNotPermittedBeforeAppLaunch: 206,
  configuration: 1000,
  sizeMismatch: 1001,
  noSpace: 1004,
  network: 1010,
  server: 1011,
  notFound: 1013,
  badRequest: 1014,
  state: 1015,
  internal: 1099,
});

export class LarderError extends Error {
  constructor({ code = Code.internal, domain, op = '', subject = '', message = '', help = '' }, options) {
    super(message, options);
    this.name = 'LarderError';
    Object.assign(this, { code, domain: domain || (code >= 1000 ? 'larder' : 'BAErrorDomain'), op, subject, help });
  }

  toString() {
    return `${this.op}${this.subject && ' ' + this.subject}: ${this.message}`;
  }
}

// What DownloadManager lends to AssetPackManager; nothing of it is for callers.
const lend = {};

export class DownloadManager {
  #path;
  #requests = new Set();
  #closed = false;
  #active = false;
  #session; // promise of { name, stream }, undefined while not connected

  constructor({ socket = process.env.LARDER_SOCKET } = {}) {
    if (!socket) {
      throw new LarderError({ code: Code.configuration, op: 'open download manager', subject: 'LARDER_SOCKET', message: 'it is not set',
        help: 'start the app with "larder launch", or name its socket' });
    }
    this.#path = address(socket);
  }

  close() {
    this.#closed = true;
    for (const r of this.#requests) r.destroy();
  }

  async currentDownloads({ signal } = {}) {
    const { apps } = await this.#call('GET', '/v1/downloads', undefined, signal);
    return (apps ?? []).flatMap((app) => app.downloads.filter((d) => d.state !== 'finished'));
  }

  async schedule(download, { signal } = {}) {
    return this.#call('POST', '/v1/downloads', wire(download), signal);
  }

  async startForeground(download, { signal } = {}) {
    return (await this.#inSession('foreground', wire(download), signal)).answer;
  }

  async cancel(uniqueIdentifier, { signal } = {}) {
    await this.#call('POST', `/v1/downloads/${encodeURIComponent(uniqueIdentifier)}/cancel`, undefined, signal);
  }

  async setActive(active, { signal } = {}) {
    await this.#inSession('active', { active }, signal);
    this.#active = active;
  }

  async withExclusiveControl(f, { before, signal } = {}) {
    try {
      await this.#inSession('control', { deadline: before?.toISOString() }, signal);
    } catch (error) {
      if (signal?.aborted) await this.#release(); // nobody waits here any more
      throw error;
    }
    try {
      return await f();
    } finally {
      await this.#release();
    }
  }

  // The session's end frees the lock as well, so a failure changes nothing.
  async #release() {
    const session = await this.#session?.catch(() => {});
    if (session) await this.#call('DELETE', `/v1/session/${session.name}/control`).catch(() => {});
  }

  events({ signal } = {}) {
    return this.#follow(EVENTS, signal);
  }

  async setDelegate(delegate, { signal } = {}) {
    const handles = EVENTS.filter((name) => typeof delegate[name] === 'function');
    for await (const { type, download, status, filePath, error, challenge, answer, files } of this.#follow(handles, signal)) {
      if (type === 'purged') {
        await delegate.purged(files);
        continue;
      }
      const more = { progress: [status.bytes, status.totalBytes], failed: [error], finished: [filePath], challenge: [challenge] }[type] ?? [];
      const said = await delegate[type](download, ...more);
      if (type === 'challenge' && said) await answer(said).catch(unless(Code.notFound));
    }
  }

  async *#follow(handles, signal) {
    while (!this.#closed && !signal?.aborted) {
      try {
        let session;
        for await (const line of lines(await this.#open('GET', `/v1/session?handles=${handles.join()}`, undefined, signal))) {
          session = line.session ?? session;
          if (!handles.includes(line.type)) continue;
          const { type, download = {}, status = {}, cause, challenge, purged } = line;
          const path = `/v1/session/${encodeURIComponent(session)}/challenges/${encodeURIComponent(line.challengeIdentifier)}`;
          yield { type, download, status, filePath: status.filePath ?? '', error: cause && new LarderError(cause), challenge,
            answer: challenge ? (reply) => this.#call('POST', path, reply) : noChallenge, files: purged ?? [] };
          if (challenge) await this.#call('DELETE', path).catch(unless(Code.notFound)); // answered, or passed on
          if (type === 'finished' || type === 'failed') await this.#acknowledge(download.uniqueIdentifier);
        }
      } catch (e) {
        if (!signal?.aborted && e.code !== Code.callerConnectionInvalid) throw e;
      }
      if (this.#closed) return;
      await sleep(RECONNECT, undefined, { signal }).catch(() => {});
    }
  }

  async #acknowledge(uniqueIdentifier) {
    try {
      await this.#call('POST', `/v1/downloads/${encodeURIComponent(uniqueIdentifier)}/acknowledge`);
    } catch (e) {
      if (e.code !== Code.downloadDoesNotExist) throw e;
    }
  }

  static {
    lend.call = (manager, ...args) => manager.#call(...args);
    lend.open = (manager, ...args) => manager.#open(...args);
    lend.closed = (manager) => manager.#closed;
  }

  // Calls as this process's session, in a new one when the service was restarted.
  async #inSession(what, body, signal) {
    const call = async () => {
      const { name } = await (this.#session ??= this.#connect());
      return { name, answer: await this.#call('POST', `/v1/session/${name}/${what}`, body, signal) };
    };
    const session = this.#session;
    try {
      return await call();
    } catch (e) {
      const told = e instanceof LarderError && e.cause === undefined; // by the service
      if (!told || e.code !== Code.callerConnectionInvalid || !session) throw e;
      if (this.#session === session) this.#session = undefined;
      (await session).stream.destroy();
      return await call();
    }
  }

  async #connect() {
    try {
      const stream = await this.#open('GET', '/v1/session');
      const first = await lines(stream).next();
      const name = encodeURIComponent(first.value.session);
      if (this.#active) await this.#call('POST', `/v1/session/${name}/active`, { active: true });
      stream.socket.unref(); // a session alone keeps no process alive
      return { name, stream };
    } catch (e) {
      this.#session = undefined;
      throw e;
    }
  }

  async #call(method, path, body, signal) {
    const stream = await this.#open(method, path, body, signal);
    try {
      const text = await whole(stream);
      return stream.statusCode === 204 ? undefined : JSON.parse(text);
    } catch (e) {
      throw broken(e, signal);
    }
  }

  // The answer of a call that succeeded, to be read as text. Each has a connection of its own.
  async #open(method, path, body, signal) {
    if (this.#closed) {
      throw new LarderError({ code: Code.callerConnectionInvalid, op: 'call service', message: 'the download manager was closed' });
    }
    const text = body && JSON.stringify(body);
    const headers = { host: 'larder', ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) };
    const stream = await new Promise((resolve, reject) => {
      const r = request({ socketPath: this.#path, method, path, headers, agent: false, signal }, resolve);
      this.#requests.add(r);
      r.on('error', reject).on('close', () => this.#requests.delete(r)).end(text);
    }).catch((e) => { throw broken(e, signal); });
    stream.setEncoding('utf8');
    if (stream.statusCode < 400) return stream;
    throw told(await whole(stream).catch(() => ''), stream);
  }
}

function unless(code) {
  return (e) => { if (e.code !== code) throw e; };
}

async function noChallenge() {
  throw new LarderError({ code: Code.state, op: 'answer challenge', message: 'the event is no challenge' });
}

// Apple's status of an asset pack: several facts at once, to be tested one by one.
export const PackBits = Object.freeze({ downloadAvailable: 1, updateAvailable: 2, upToDate: 4, outOfDate: 8, obsolete: 16, downloading: 32, downloaded: 64 });

// Of several packs some are not installed.
export class LocalAvailabilityError extends LarderError {
  constructor(successes, failures) {
    super({ code: 2, domain: 'BAManagedErrorDomain', op: 'ensure local availability', subject: Object.keys(failures).join(', '),
      message: `${Object.keys(failures).length} of ${Object.keys(failures).length + successes.length} packs are not installed` });
    Object.assign(this, { successes, failures });
  }
}

export class AssetPackManager {
  #manager;
  #app;
  #shelf;

  constructor(options) {
    this.#shelf = options?.socket ? undefined : process.env.LARDER_SHELF || undefined;
    this.#manager = new DownloadManager(options);
  }

  close() {
    this.#manager.close();
  }

  async #call(method, path, body, signal) {
    this.#app ??= lend.call(this.#manager, 'GET', '/v1/hello').then(({ app }) => `/v1/apps/${encodeURIComponent(app)}`);
    const app = await this.#app.catch((e) => { this.#app = undefined; throw e; });
    return lend.call(this.#manager, method, app + path, body, signal);
  }

  async packs({ signal } = {}) {
    return (await this.#call('GET', '/packs', undefined, signal)).packs;
  }

  // Where installed packs lie: a folder as doc/shelf-format.md has it.
  async shelf({ signal } = {}) {
    return this.#shelf ?? (await this.#call('GET', '/packs', undefined, signal)).shelf;
  }

  async manifest({ fresh = false, signal } = {}) {
    return this.#call('GET', fresh ? '/manifest?fresh=true' : '/manifest', undefined, signal);
  }

  async ensureLocalAvailability(packs, { requireLatestVersions = false, signal } = {}) {
    const list = [packs].flat();
    await this.#ensured('/packs/ensure', { packs: list, requireLatestVersions }, list.length > 1, signal);
  }

  async checkForUpdates({ signal } = {}) {
    return this.#call('POST', '/packs/check', undefined, signal);
  }

  async remove(pack, { signal } = {}) {
    await this.#call('DELETE', `/packs/${encodeURIComponent(pack)}`, undefined, signal);
  }

  async resolvedLanguage({ signal } = {}) {
    return (await this.manifest({ signal })).resolvedLanguage ?? '';
  }

  async setResolvedLanguage(tag, { signal } = {}) {
    return (await this.#call('PUT', '/packs/language', { language: tag }, signal)).language;
  }

  async reconcilePreferredLanguages({ signal } = {}) {
    await this.#ensured('/packs/languages', undefined, true, signal);
  }

  // Follows all packs, or one until it has finished or failed; whoever comes late gets its end at once.
  async *statusUpdates({ pack, signal } = {}) {
    const paces = {};
    while (!lend.closed(this.#manager) && !signal?.aborted) {
      try {
        for await (let line of lines(await lend.open(this.#manager, 'GET', '/v1/events', undefined, signal))) {
          if (line.type === 'snapshot' && pack) line = late(line, pack);
          const { assetPack, packVersion = 0, bytes = 0, totalBytes = 0, reason = null, traffic = null } = line.download ?? {};
          if (!assetPack || (pack && assetPack !== pack) || !EVENTS.includes(line.type)) continue;
          paces[assetPack] ??= pace();
          yield { type: line.type, pack: assetPack, version: packVersion, bytes, totalBytes, reason, traffic, ...paces[assetPack](bytes, totalBytes) };
          if (pack && (line.type === 'finished' || line.type === 'failed')) return;
        }
      } catch (e) {
        if (!signal?.aborted && e.code !== Code.callerConnectionInvalid) throw e;
      }
      if (lend.closed(this.#manager)) return;
      await sleep(RECONNECT, undefined, { signal }).catch(() => {});
    }
  }

  async #ensured(path, body, batch, signal) {
    await this.#call('GET', '/packs', undefined, signal); // knows the app, and that it has managed packs
    const successes = [], failures = {};
    for await (const line of lines(await lend.open(this.#manager, 'POST', (await this.#app) + path, body, signal))) {
      if (line.done) break;
      if (line.failed) failures[line.assetPack] = new LarderError(line.failed);
      else if (line.assetPack) successes.push(line.assetPack);
    }
    const errors = Object.values(failures);
    if (errors.length > 0) throw batch ? new LocalAvailabilityError(successes, failures) : errors[0];
  }
}

// pace smooths a rate over about two seconds: bytes per second, and the seconds left at it.
function pace() {
  let at, had = 0, speed = 0;
  return (bytes, total) => {
    const now = performance.now() / 1000;
    if (at === undefined || bytes < had) {
      [at, had, speed] = [now, bytes, 0];
    } else if (now - at >= 0.1) {
      const fresh = (bytes - had) / (now - at);
      speed = speed ? speed + (fresh - speed) * Math.min((now - at) / 2, 1) : fresh;
      [at, had] = [now, bytes];
    }
    return speed >= 1 ? { rate: speed, eta: Math.max(total - bytes, 0) / speed } : { rate: 0, eta: null };
  };
}

function late({ status }, pack) {
  const [app = {}] = status?.apps ?? [];
  const last = (app.downloads ?? []).filter((d) => d.assetPack === pack).at(-1);
  const here = (app.packs ?? []).find((p) => p.id === pack && p.installed != null);
  if (last?.state === 'failed') return { type: 'failed', download: last };
  if (here && last?.state === 'finished' && last.packVersion === here.installed) return { type: 'finished', download: last };
  if (here && (!last || last.state === 'finished')) return { type: 'finished', download: { assetPack: pack, packVersion: here.installed } };
  return {};
}

export function removingEssential(download) {
  const { uniqueIdentifier, state, ...rest } = download;
  return { ...rest, essential: false };
}

function wire(download) {
  const d = { url: '', fileSize: 0, essential: false };
  for (const name of FIELDS) if (download[name] !== undefined) d[name] = download[name];
  if (d.body instanceof Uint8Array) d.body = Buffer.from(d.body).toString('base64');
  return d;
}

// On Windows a named pipe stands for the socket's path.
function address(socket) {
  if (process.platform !== 'win32' || socket.startsWith('\\\\.\\pipe\\')) return socket;
  return '\\\\.\\pipe\\larder-' + createHash('sha256').update(socket).digest('hex').slice(0, 16);
}

async function whole(stream) {
  let text = '';
  for await (const piece of stream) text += bounded(piece, text);
  return text;
}

async function* lines(stream) {
  let rest = '';
  try {
    for await (const piece of stream) {
      rest += bounded(piece, rest);
      for (let end; (end = rest.indexOf('\n')) >= 0; rest = rest.slice(end + 1)) {
        const line = JSON.parse(rest.slice(0, end));
        if (line.error) throw new LarderError(line.error);
        yield line;
      }
    }
  } catch (e) {
    throw broken(e);
  }
  throw broken(new Error('the stream ended'));
}

function bounded(piece, before) {
  if (before.length + piece.length > MAX_ANSWER) throw new Error('the answer is too long');
  return piece;
}

function told(text, { statusCode, statusMessage }) {
  try {
    return new LarderError(JSON.parse(text).error);
  } catch {
    return new LarderError({ code: Code.server, op: 'call service', message: `it answered ${statusCode} ${statusMessage}` });
  }
}

function broken(cause, signal) {
  if (cause instanceof LarderError) return cause;
  if (signal?.aborted) return signal.reason;
  const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED';
  return new LarderError({ code: Code.callerConnectionInvalid, op: 'call service',
    message: absent ? 'it cannot be reached' : 'the connection failed', help: absent ? 'start it with "larder service run"' : '' }, { cause });
}
