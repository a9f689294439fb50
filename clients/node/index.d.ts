/**
 * The downloads of this app, over Larder's local API (doc/local-api.md).
 *
 *     import { DownloadManager } from 'larder';
 *
 *     const manager = new DownloadManager();
 *     await manager.schedule({ identifier: 'level-2', url: 'https://example.org/level-2', fileSize: 1234 });
 *     for await (const event of manager.events()) {
 *       if (event.type === 'finished') await rename(event.filePath, target); // move it before the loop goes on
 *     }
 *
 * Calls reject with a LarderError, or with the reason of an aborted signal. What
 * they start goes on when the process ends.
 */

/** Error codes to branch on: Apple's below 1000, Larder's own from there. */
export const Code: Readonly<{
  downloadInvalid: 0;
  callFromInactiveProcessNotAllowed: 51;
  callerConnectionNotAccepted: 55;
  callerConnectionInvalid: 56;
  downloadAlreadyScheduled: 100;
  downloadNotScheduled: 101;
  downloadEssentialDownloadNotPermitted: 109;
  downloadBackgroundActivityProhibited: 111;
  downloadWouldExceedAllowance: 112;
  downloadDoesNotExist: 113;
  sessionDownloadDisallowedByDomain: 202;
  sessionDownloadDisallowedByAllowance: 203;
  sessionDownloadAllowanceExceeded: 204;
  sessionDownloadNotPermittedBeforeAppLaunch: 206;
  configuration: 1000;
  sizeMismatch: 1001;
  noSpace: 1004;
  network: 1010;
  server: 1011;
  notFound: 1013;
  badRequest: 1014;
  state: 1015;
  internal: 1099;
}>;

/** What the service refused or could not do; toString() gives "op subject: message". */
export class LarderError extends Error {
  constructor(told: { code?: number; domain?: string; op?: string; subject?: string; message?: string; help?: string }, options?: { cause?: unknown });
  readonly code: number;
  readonly domain: string;
  /** What was being done. */
  readonly op: string;
  /** What it was done to, or "". */
  readonly subject: string;
  /** What a person may do about it, or "". */
  readonly help: string;
}

export type DownloadState = 'created' | 'waiting' | 'downloading' | 'finished' | 'failed';
export type EventType = 'began' | 'paused' | 'progress' | 'challenge' | 'finished' | 'failed' | 'purged';

/** One file to fetch. */
export interface Download {
  /** Chosen by the app, unique among its scheduled downloads. */
  identifier: string;
  /** Needed, unless a scheduled download is promoted. */
  url?: string;
  /** The exact number of bytes; 0 or nothing when unknown. */
  fileSize?: number;
  essential?: boolean;
  /** From -100 to 100, higher first. */
  priority?: number;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  /** Bytes, or their base64; with POST only. In events it is base64. */
  body?: Uint8Array | string;
  applicationGroupIdentifier?: string;
  /** Set by the service, as are state and manifest. */
  uniqueIdentifier?: string;
  state?: DownloadState;
  manifest?: boolean;
}

/** Why something waits or failed, in a sentence, and what would unblock it. */
export interface Reason {
  code: string;
  message: string;
  unblock: string;
  /** RFC 3339. */
  since: string;
}

/** How far a download is. */
export interface DownloadStatus {
  identifier: string;
  uniqueIdentifier: string;
  state: DownloadState;
  essential: boolean;
  priority: number;
  bytes: number;
  /** 0 while unknown. */
  totalBytes: number;
  reason: Reason | null;
  filePath?: string;
}

/** What a server demands before it gives a file away. */
export interface Challenge {
  authenticationMethod: 'httpBasic' | 'httpBearer' | 'serverTrust';
  host: string;
  port: number;
  realm?: string;
  /** How often a credential for this was refused just now. */
  previousFailureCount: number;
  /** base64 DER, the server's own first; for serverTrust. */
  certificates?: string[];
}

/** A user and a password for httpBasic, a token for httpBearer, none for serverTrust. */
export interface ChallengeAnswer {
  disposition: 'useCredential' | 'performDefaultHandling' | 'cancelAuthenticationChallenge' | 'rejectProtectionSpace';
  credential?: { user?: string; password?: string; token?: string };
}

/** A file that was deleted because the disk was nearly full. */
export interface PurgedFile {
  /** From the group container, with slashes. */
  path: string;
  size: number;
}

/** Something that happened to a download, or, when type is purged, to files that were taken long ago: download and status are empty then. */
export interface Event {
  type: EventType;
  download: Download & { uniqueIdentifier: string };
  status: DownloadStatus;
  /** Where a finished file lies, else "". */
  filePath: string;
  /** Set when type is failed. */
  error?: LarderError;
  /** Set when type is challenge. Answer it before the loop goes on; otherwise it is passed on, to the extension at last. */
  challenge?: Challenge;
  /** Answers the challenge; code 1014 when the answer does not fit, 1013 when the challenge is not open any more. */
  answer(answer: ChallengeAnswer): Promise<void>;
  /** What was deleted from the group container, when type is purged; else empty. */
  files: PurgedFile[];
}

/** What it has no function for goes to the extension, if it is a result, or nowhere. */
export interface Delegate {
  began?(download: Download): unknown;
  paused?(download: Download): unknown;
  progress?(download: Download, bytes: number, totalBytes: number): unknown;
  failed?(download: Download, error: LarderError): unknown;
  /** Nothing as an answer passes it on. */
  challenge?(download: Download, challenge: Challenge): ChallengeAnswer | undefined | Promise<ChallengeAnswer | undefined>;
  /** Has to move the file away before it returns, or before its promise is kept. */
  finished?(download: Download, filePath: string): unknown;
  /** What is still needed of these has to be asked for again. */
  purged?(files: PurgedFile[]): unknown;
}

export interface CallOptions {
  /** Ends waiting; what the service has begun is not undone. */
  signal?: AbortSignal;
}

/** The download manager of this process. */
export class DownloadManager {
  /** Connects when it is first used. socket is LARDER_SOCKET, which "larder launch" sets, unless given. */
  constructor(options?: { socket?: string });

  /** Gives up foreground, control and delegates, and ends calls that wait. Downloads go on in the background. */
  close(): void;

  /** What is scheduled or running, whoever queued it, and what failed and was not asked for again. */
  currentDownloads(options?: CallOptions): Promise<DownloadStatus[]>;

  /** Enqueues a download for the background. */
  schedule(download: Download, options?: CallOptions): Promise<DownloadStatus>;

  /** Starts a download now, or promotes the scheduled one of that identifier; code 51 unless setActive(true) was called. */
  startForeground(download: Download, options?: CallOptions): Promise<DownloadStatus>;

  /** Ends a download; code 101 when it has ended already, 113 when there never was one. */
  cancel(uniqueIdentifier: string, options?: CallOptions): Promise<void>;

  /** Says whether a person looks at the app now. */
  setActive(active: boolean, options?: CallOptions): Promise<void>;

  /**
   * Runs f while neither the extension nor another process of the app has control. before limits the wait; one in the
   * past tries once. Code 1015 when control was not had. It is not re-entrant, and freed when the process dies.
   */
  withExclusiveControl<T>(f: () => T | Promise<T>, options?: CallOptions & { before?: Date }): Promise<T>;

  /**
   * Makes this process the app's delegate for every event, as long as the loop runs. A result is acknowledged when the
   * loop goes on after it; after a break it is offered again, to the next delegate or to the extension. A restart of
   * the service is waited for. close() or the signal ends the loop.
   */
  events(options?: CallOptions): AsyncGenerator<Event, void, void>;

  /** Calls delegate's functions, one at a time, until close() or the signal. */
  setDelegate(delegate: Delegate, options?: CallOptions): Promise<void>;
}

/** The same download to be asked for again, as a non-essential one. */
export function removingEssential(download: Download): Download;

/** Apple's status bits of an asset pack. An installed pack that is current has 69; test single bits. */
export const PackBits: Readonly<{ downloadAvailable: 1; updateAvailable: 2; upToDate: 4; outOfDate: 8; obsolete: 16; downloading: 32; downloaded: 64 }>;

export interface PackStatus {
  id: string;
  status: number;
  /** Versions, or null. */
  installed: number | null;
  available: number | null;
  policy?: string;
  language?: string;
  downloadSize: number;
  installedSize: number;
  reason: Reason | null;
}

/**
 * What a pack has cost, in bytes, over all attempts: what came over the network, what of it the tree is made of, what was
 * installed before, and what was written to the disk.
 */
export interface Traffic {
  network: number;
  useful: number;
  reused: number;
  written: number;
}

/**
 * began, paused, progress, finished (and installed) or failed. bytes of totalBytes, which have to come over the network,
 * are here; rate is the smoothed pace in bytes per second, eta the seconds left at it, null when that cannot be told.
 */
export interface PackUpdate {
  type: string;
  pack: string;
  version: number;
  bytes: number;
  totalBytes: number;
  reason: Reason | null;
  traffic: Traffic | null;
  rate: number;
  eta: number | null;
}

export class LocalAvailabilityError extends LarderError {
  successes: string[];
  failures: Record<string, LarderError>;
}

/** The asset packs of this app. Their files lie on the shelf, in the folder that shelf() gives. */
export class AssetPackManager {
  constructor(options?: { socket?: string });

  /** Ends calls that wait. Downloads go on in the background. */
  close(): void;

  /** What is installed, offered and on its way; code 1000 when the app has no managed packs. */
  packs(options?: CallOptions): Promise<PackStatus[]>;

  /** The folder of installed packs (doc/shelf-format.md). Node's library takes no locks, so an update may remove what is being read. */
  shelf(options?: CallOptions): Promise<string>;

  /** The download manifest as it fits app and device; fresh asks the network. */
  manifest(options?: CallOptions & { fresh?: boolean }): Promise<Record<string, unknown>>;

  /** Has packs installed and waits for all; one that fails throws its error, several a LocalAvailabilityError. */
  ensureLocalAvailability(packs: string | string[], options?: CallOptions & { requireLatestVersions?: boolean }): Promise<void>;

  /** Fetches the manifest, and gives what began because of this call. */
  checkForUpdates(options?: CallOptions): Promise<{ updatingIDs: string[]; removedIDs: string[] }>;

  remove(pack: string, options?: CallOptions): Promise<void>;

  /** The language whose packs are kept installed, "" when no pack is localized. */
  resolvedLanguage(options?: CallOptions): Promise<string>;

  /** Overrides it, "" gives it back to the person's choice; fetches and removes nothing. */
  setResolvedLanguage(tag: string, options?: CallOptions): Promise<string>;

  reconcilePreferredLanguages(options?: CallOptions): Promise<void>;

  /** Follows all packs, or one until it has finished or failed; whoever comes late gets its end at once. */
  statusUpdates(options?: CallOptions & { pack?: string }): AsyncGenerator<PackUpdate, void, void>;
}
