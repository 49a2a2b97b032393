// One RTCPeerConnection: sound in both directions, picture in both directions (ours as simulcast) and, while it lasts, the screen.

export interface Tracks {
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  slides: MediaStreamTrack | null;
}

export interface PeerListener {
  candidate(c: RTCIceCandidate | null): void;
  track(kind: "audio" | "video", track: MediaStreamTrack): void;
  state(): void;
}

/**
 * The three sizes in which a camera is sent, smallest first: docs/protocol.md names the rids. A browser sends the next larger
 * one when the smaller ones have all that they may take, so these are kept modest.
 */
function layers(height: number): RTCRtpEncodingParameters[] {
  const [q, h, f] = height > 400 ? [90_000, 350_000, 1_700_000] : [60_000, 150_000, 700_000];
  return [
    { rid: "q", scaleResolutionDownBy: 4, maxBitrate: q! },
    { rid: "h", scaleResolutionDownBy: 2, maxBitrate: h! },
    { rid: "f", scaleResolutionDownBy: 1, maxBitrate: f! },
  ];
}

export class Peer {
  readonly pc: RTCPeerConnection;
  readonly #audio: RTCRtpTransceiver;
  readonly #video: RTCRtpTransceiver;
  #slides: RTCRtpTransceiver | null = null;
  #answer = "";
  #early: RTCIceCandidateInit[] = [];
  /** Our candidates wait until the offer they belong to has been sent. */
  #held: (RTCIceCandidate | null)[] | null = [];

  constructor(servers: RTCIceServer[], tracks: Tracks, cameraHeight: number, listener: PeerListener) {
    this.pc = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    this.pc.onicecandidate = (e) => {
      if (this.#held) this.#held.push(e.candidate);
      else listener.candidate(e.candidate);
    };
    this.pc.onconnectionstatechange = () => listener.state();
    this.pc.oniceconnectionstatechange = () => listener.state();
    this.pc.ontrack = (e) => listener.track(e.track.kind as "audio" | "video", e.track);
    this.#audio = this.pc.addTransceiver(tracks.audio ?? "audio", { direction: direction(tracks.audio) });
    this.#video = this.pc.addTransceiver(tracks.video ?? "video", {
      direction: direction(tracks.video),
      sendEncodings: layers(cameraHeight),
    });
    if (tracks.slides) this.#show(tracks.slides);
  }

  /**
   * Sends these tracks from now on. True says that an offer is needed for that. A camera that was switched off keeps its
   * m-line: switching it on again needs no offer.
   */
  async send(tracks: Tracks): Promise<boolean> {
    let offer = false;
    offer = use(this.#audio, tracks.audio) || offer;
    offer = use(this.#video, tracks.video) || offer;
    await Promise.all([this.#audio.sender.replaceTrack(tracks.audio), this.#video.sender.replaceTrack(tracks.video)]);
    if (tracks.slides && !this.#slides) {
      this.#show(tracks.slides);
      return true;
    }
    if (this.#slides) {
      const wanted = tracks.slides ? "sendonly" : "inactive";
      if (this.#slides.direction !== wanted) offer = true;
      this.#slides.direction = wanted;
      await this.#slides.sender.replaceTrack(tracks.slides);
    }
    return offer;
  }

  #show(track: MediaStreamTrack): void {
    this.#slides = this.pc.addTransceiver(track, { direction: "sendonly", sendEncodings: [{ maxBitrate: 2_500_000 }] });
  }

  /** Makes an offer. Candidates are held until flush. */
  async offer(iceRestart: boolean): Promise<string> {
    this.#held ??= [];
    await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart }));
    return this.pc.localDescription!.sdp;
  }

  /** The offer has been sent: its candidates may follow. */
  flush(send: (c: RTCIceCandidate | null) => void): void {
    const held = this.#held ?? [];
    this.#held = null;
    held.forEach(send);
  }

  /** Takes the answer. */
  async accept(sdp: string): Promise<void> {
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    this.#answer = sdp;
    const early = this.#early;
    this.#early = [];
    for (const c of early) await this.#add(c);
  }

  /** The answer that is in force, "" before the first. */
  get answer(): string {
    return this.#answer;
  }

  async candidate(c: RTCIceCandidateInit): Promise<void> {
    if (this.pc.signalingState !== "stable" || !this.#answer) this.#early.push(c);
    else await this.#add(c);
  }

  async #add(c: RTCIceCandidateInit): Promise<void> {
    try {
      await this.pc.addIceCandidate(c.candidate ? c : undefined);
    } catch {
      // A candidate of a kind that this browser cannot use, or of an offer that has been replaced.
    }
  }

  /** "connected" or "completed" says that media can flow. */
  get state(): RTCIceConnectionState {
    return this.pc.iceConnectionState;
  }

  close(): void {
    this.pc.onicecandidate = this.pc.onconnectionstatechange = this.pc.oniceconnectionstatechange = this.pc.ontrack = null;
    this.pc.close();
  }
}

function direction(track: MediaStreamTrack | null): RTCRtpTransceiverDirection {
  return track ? "sendrecv" : "recvonly";
}

/** Turns a line that only received into one that sends; a line that sends stays one. */
function use(t: RTCRtpTransceiver, track: MediaStreamTrack | null): boolean {
  if (!track || t.direction === "sendrecv") return false;
  t.direction = "sendrecv";
  return true;
}
