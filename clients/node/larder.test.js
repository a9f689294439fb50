// Run by clients_test.go, which starts the service and says where it is.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, rename, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { AssetPackManager, Code, DownloadManager, LarderError, removingEssential } from './index.js';

const { LARDER_TEST_SERVER: SERVER, LARDER_GROUP_CONTAINER: BOX } = process.env;

const level = (identifier, more) => ({ identifier, url: SERVER + '/level', fileSize: 3 << 20, ...more });
const endless = (identifier, more) => ({ identifier, url: SERVER + '/endless', fileSize: 1 << 30, ...more });

function open(t) {
  const manager = new DownloadManager();
  t.after(() => manager.close());
  return manager;
}

// The events of a delegate that listens before download is scheduled.
async function* follow(manager, download) {
  const first = await manager.schedule(endless('js-first'));
  for await (const event of manager.events()) {
    if (download) {
      await manager.schedule(download);
      await manager.cancel(first.uniqueIdentifier);
      download = undefined;
    } else if (event.download.identifier !== 'js-first') {
      yield event;
    }
  }
}

async function refused(code, promise) {
  await assert.rejects(promise, (e) => {
    assert.ok(e instanceof LarderError, e);
    assert.deepEqual([e.code, e.domain], [code, code >= 1000 ? 'larder' : 'BAErrorDomain'], e);
    assert.ok(e.op && e.message && String(e).startsWith(e.op), e);
    return true;
  });
}

async function eventually(what, ok) {
  for (const end = Date.now() + 30_000; !(await ok()); await sleep(20)) assert.ok(Date.now() < end, what);
}

const exists = (path) => access(path).then(() => true, () => false);

test('a delegate takes a file and hears of a failure', async (t) => {
  const manager = open(t);
  for await (const { type, download, status, filePath, error } of follow(manager, level('js-taken'))) {
    if (type === 'finished' && download.identifier === 'js-taken') {
      assert.equal(status.bytes, 3 << 20);
      await rename(filePath, join(BOX, 'moved'));
      await manager.schedule({ identifier: 'js-missing', url: SERVER + '/missing', fileSize: 10 });
    }
    if (type === 'failed' && download.identifier === 'js-missing') {
      assert.ok(error instanceof LarderError);
      assert.equal(error.code, Code.server);
      break;
    }
  }
  assert.equal((await stat(join(BOX, 'moved'))).size, 3 << 20);
  assert.equal(await exists(join(BOX, 'js-taken')), false);
  const listed = Object.fromEntries((await manager.currentDownloads()).map((d) => [d.identifier, d]));
  assert.equal(listed['js-missing'].state, 'failed');
  assert.ok(listed['js-missing'].reason.message);
  assert.equal(listed['js-taken'], undefined);
});

test('what a delegate leaves goes to the extension', async (t) => {
  const manager = open(t);
  for await (const { type, download } of follow(manager, level('js-left'))) {
    if (type === 'finished' && download.identifier === 'js-left') break;
  }
  await eventually('the extension took it', () => exists(join(BOX, 'js-left')));
});

test('a delegate handles only what it has functions for', async (t) => {
  const manager = open(t);
  const failures = [];
  const over = new AbortController();
  const done = manager.setDelegate({ failed: (d, e) => failures.push(`${d.identifier} ${e.code}`) }, { signal: over.signal });
  await manager.schedule(level('js-good'));
  await eventually('the extension took what finished', () => exists(join(BOX, 'js-good'))); // the delegate listens long since
  await manager.schedule({ identifier: 'js-bad', url: SERVER + '/missing', fileSize: 10 });
  await eventually('the delegate hears of it', () => failures.includes(`js-bad ${Code.server}`));
  over.abort();
  await done;
  assert.equal(await exists(join(BOX, 'js-bad.failed')), false);
});

test('a challenge is answered by the delegate', async (t) => {
  const manager = open(t);
  const seen = [];
  for await (const event of follow(manager, { identifier: 'js-guarded', url: SERVER + '/guarded-js', fileSize: 10 })) {
    if (event.type === 'challenge') {
      seen.push([event.challenge.authenticationMethod, event.challenge.realm, event.challenge.previousFailureCount]);
      await refused(Code.badRequest, event.answer({ disposition: 'useCredential' }));
      await event.answer({ disposition: 'useCredential', credential: { user: 'ann', password: seen.length === 1 ? 'wrong' : 'sesame' } });
      await refused(Code.notFound, event.answer({ disposition: 'performDefaultHandling' }));
    } else {
      await refused(Code.state, event.answer({ disposition: 'performDefaultHandling' }));
    }
    if (event.type === 'finished' && event.download.identifier === 'js-guarded') {
      await rm(event.filePath);
      break;
    }
  }
  assert.deepEqual(seen, [['httpBasic', 'vault', 0], ['httpBasic', 'vault', 1]]);
});

test('an unanswered challenge is passed on', async (t) => {
  for await (const { type, download, error } of follow(open(t), { identifier: 'js-passed', url: SERVER + '/guarded-js-ext', fileSize: 10 })) {
    if (type === 'failed' && download.identifier === 'js-passed') {
      assert.equal(error.code, Code.server);
      break;
    }
  }
});

test('purged files are told', async (t) => {
  const manager = open(t);
  const take = async (path) => {
    await rename(path, join(BOX, 'js-purgeable'));
    await fetch(SERVER + '/purge', { method: 'POST' });
  };
  for await (const { type, download, filePath, files } of follow(manager, level('js-purgeable'))) {
    if (type === 'finished' && download.identifier === 'js-purgeable') await take(filePath);
    if (type === 'purged' && files.some((f) => f.path === 'js-purgeable')) break;
  }
  assert.equal(await exists(join(BOX, 'js-purgeable')), false);
  const over = new AbortController();
  const told = [];
  await manager.schedule(level('js-purgeable'));
  await manager.setDelegate({
    finished: (d, path) => take(path),
    purged: (files) => {
      told.push(...files.filter((f) => f.path === 'js-purgeable'));
      if (told.length) over.abort();
    },
  }, { signal: over.signal });
  assert.deepEqual(told.map(({ path, size }) => ({ path, size })), [{ path: 'js-purgeable', size: 3 << 20 }]);
});

test('foreground needs an active app', async (t) => {
  const manager = open(t);
  await refused(Code.callFromInactiveProcessNotAllowed, manager.startForeground(level('js-front')));
  await manager.setActive(true);
  const essential = level('js-front', { essential: true });
  await refused(Code.downloadEssentialDownloadNotPermitted, manager.startForeground(essential));
  await manager.startForeground(removingEssential(essential));
  const { uniqueIdentifier } = await manager.schedule(endless('js-promoted'));
  assert.equal((await manager.startForeground({ identifier: 'js-promoted' })).uniqueIdentifier, uniqueIdentifier);
  await manager.cancel(uniqueIdentifier);
});

test('cancel is told apart', async (t) => {
  const manager = open(t);
  const { uniqueIdentifier } = await manager.schedule(endless('js-endless', { priority: -5 }));
  const listed = (await manager.currentDownloads()).filter((d) => d.identifier === 'js-endless');
  assert.deepEqual(listed.map((d) => [d.uniqueIdentifier, d.priority]), [[uniqueIdentifier, -5]]);
  await refused(Code.downloadAlreadyScheduled, manager.schedule(endless('js-endless')));
  await manager.cancel(uniqueIdentifier);
  await refused(Code.downloadNotScheduled, manager.cancel(uniqueIdentifier));
  await refused(Code.downloadDoesNotExist, manager.cancel('no/such ?'));
});

test('wrong downloads are refused with typed errors', async (t) => {
  const manager = open(t);
  const wrong = [{ identifier: '' }, level(''), level('x', { priority: 101 }), level('x'.repeat(2000)), level('x', { url: 'ftp://host/x' }),
    level('x', { fileSize: -1 }), level('x', { body: new Uint8Array([255]) }), level('x', { headers: { Range: 'bytes=1-' } })];
  for (const d of wrong) await refused(Code.downloadInvalid, manager.schedule(d));
  await refused(Code.badRequest, manager.schedule(level('x', { fileSize: null })));
  await refused(Code.badRequest, manager.schedule(level('x', { fileSize: 'many' })));
});

test('exclusive control has one holder', async (t) => {
  const [manager, other] = [open(t), open(t)];
  const nothing = () => {};
  const waiting = await manager.withExclusiveControl(async () => {
    await refused(Code.state, other.withExclusiveControl(nothing, { before: new Date() }));
    await refused(Code.state, manager.withExclusiveControl(nothing));
    const patience = AbortSignal.timeout(50);
    await assert.rejects(other.withExclusiveControl(nothing, { signal: patience }), { name: 'TimeoutError' });
    return [other.withExclusiveControl(() => 'its turn')]; // in an array: not to be waited for here
  });
  assert.equal(await waiting[0], 'its turn');
  await assert.rejects(manager.withExclusiveControl(() => { throw new RangeError('of the caller'); }), RangeError);
  await manager.withExclusiveControl(nothing, { before: new Date() });
});

test('control is freed by kill', async (t) => {
  const manager = open(t);
  const script = `import { DownloadManager } from './index.js';
    await new DownloadManager().withExclusiveControl(() => { console.log('held'); return new Promise((r) => setTimeout(r, 600_000)); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  assert.equal(String(await once(child.stdout, 'data')), 'held\n');
  await refused(Code.state, manager.withExclusiveControl(() => {}, { before: new Date() }));
  child.kill('SIGKILL');
  await manager.withExclusiveControl(() => {}, { before: new Date(Date.now() + 30_000) });
});

test('close ends what waits', async (t) => {
  const [manager, other] = [open(t), open(t)];
  await manager.withExclusiveControl(async () => {
    const waiting = refused(Code.callerConnectionInvalid, other.withExclusiveControl(() => {}));
    const events = (async () => { for await (const e of other.events()) assert.ok(e.type); })();
    await sleep(100);
    other.close();
    await Promise.all([waiting, events]);
  });
  await refused(Code.callerConnectionInvalid, other.currentDownloads());
});

test('a restart of the service is waited for', async (t) => {
  const manager = open(t);
  await manager.setActive(true);
  let restarted = false;
  for await (const { type, download, filePath } of follow(manager, { identifier: 'js-slow', url: SERVER + '/slow', fileSize: 4 << 20 })) {
    if (download.identifier !== 'js-slow') continue;
    if (!restarted) {
      assert.ok(type === 'began' || type === 'progress', type);
      const [answer] = await once(request(SERVER + '/restart', { method: 'POST', agent: false }).end(), 'response');
      assert.equal(answer.resume().statusCode, 200);
      restarted = true;
    } else if (type === 'finished') {
      await rm(filePath);
      break;
    }
  }
  await manager.startForeground(level('js-still-active'));
  await manager.withExclusiveControl(() => {});
});

test('an open manager alone keeps no process alive', async () => {
  const script = `import { DownloadManager } from './index.js'; await new DownloadManager().setActive(true);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
  assert.equal(code, 0);
});

test('without a service the error says what to do', async (t) => {
  const manager = new DownloadManager({ socket: join(BOX, 'no.sock') });
  t.after(() => manager.close());
  for (const call of [manager.currentDownloads(), manager.setActive(true)]) {
    await assert.rejects(call, { code: Code.callerConnectionInvalid, help: /larder service run/ });
  }
  const path = process.env.LARDER_SOCKET;
  delete process.env.LARDER_SOCKET;
  t.after(() => { process.env.LARDER_SOCKET = path; });
  assert.throws(() => new DownloadManager(), (e) => String(e) === 'open download manager LARDER_SOCKET: it is not set' && e.code === Code.configuration);
});

test('codes and types are the right ones', async () => {
  const codes = JSON.parse(process.env.LARDER_TEST_CODES);
  const types = await readFile(new URL('index.d.ts', import.meta.url), 'utf8');
  for (const [name, code] of Object.entries(Code)) {
    assert.equal(codes[name], code, name);
    assert.match(types, new RegExp(`^  ${name}: ${code};$`, 'm'));
  }
  for (const name of [DownloadManager, AssetPackManager].flatMap((c) => Object.getOwnPropertyNames(c.prototype))) assert.match(types, new RegExp(`^  ${name}[(<]`, 'm'));
});
