// A video or the camera: frames go to the server one at a time, and each comes back with its own heads.

const FRAME_SIDE = 960, BEHIND_MS = 300;

// Frames of a <video> until `stopped()`. send(jpeg, time): the server's answer; show(frame, answer, time): draws it;
// fail(error): false to go on. live: whether times are those of a clock, not of the video.
export async function follow(video, live, { stopped, send, show, fail, tick }) {
  const begin = performance.now();
  let last = -1;
  while (!stopped()) {
    if (video.readyState < 2 || (!live && video.currentTime === last)) {
      await pause(40);
      tick();
      continue;
    }
    const time = live ? (performance.now() - begin) / 1000 : video.currentTime;
    last = video.currentTime;
    const frame = picked(video);
    try {
      const answer = await send(await frame.convertToBlob({ type: "image/jpeg", quality: 0.9 }), time);
      if (stopped()) return;
      show(frame, answer, time);
    } catch (error) {
      if (stopped() || !fail(error)) return;
      await pause(BEHIND_MS);
    }
    tick();
  }
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function picked(video) {
  const scale = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const frame = new OffscreenCanvas(Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
  frame.getContext("2d").drawImage(video, 0, 0, frame.width, frame.height);
  return frame;
}

export const clockText = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// A name for a stream that no other page has; also where the page is not served over https.
export const streamName = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
