// Run by packs_test.go, which starts the service, with an app that has asset packs, and says where it is.
import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { AssetPackManager, Code, LocalAvailabilityError, PackBits } from './index.js';

test('asset packs are asked for, followed and removed', async (t) => {
  const manager = new AssetPackManager();
  t.after(() => manager.close());
  const tutorial = (await manager.packs()).find((p) => p.id === 'tutorial');
  assert.equal(tutorial.status, 69);
  assert.ok(tutorial.status & PackBits.upToDate);
  await manager.ensureLocalAvailability('js-pack');
  const seen = [];
  let last;
  for await (const update of manager.statusUpdates({ pack: 'js-pack' })) seen.push([(last = update).type, last.version]);
  assert.deepEqual(seen, [['finished', 1]]);
  const { network, useful, reused, written } = last.traffic;
  assert.deepEqual([network, useful, reused, written], [last.totalBytes, last.totalBytes, 0, 6]);
  await access(join(await manager.shelf(), 'views'));
  const { updatingIDs, removedIDs } = await manager.checkForUpdates();
  assert.deepEqual([updatingIDs, removedIDs], [[], []]);
  assert.equal((await manager.manifest()).assetPacks.length, 3);
  assert.deepEqual([await manager.resolvedLanguage(), await manager.setResolvedLanguage('')], ['', '']);
  await manager.reconcilePreferredLanguages();
  await assert.rejects(manager.ensureLocalAvailability(['tutorial', 'nothing'], { requireLatestVersions: true }), (e) => {
    assert.ok(e instanceof LocalAvailabilityError);
    assert.deepEqual([e.successes, Object.keys(e.failures), e.failures.nothing.domain], [['tutorial'], ['nothing'], 'BAManagedErrorDomain']);
    return true;
  });
  await assert.rejects(manager.ensureLocalAvailability('nothing'), { code: 0, domain: 'BAManagedErrorDomain' });
  await manager.remove('js-pack');
  const classic = new AssetPackManager({ socket: process.env.LARDER_TEST_CLASSIC });
  t.after(() => classic.close());
  await assert.rejects(classic.packs(), { code: Code.configuration, domain: 'larder' });
});
