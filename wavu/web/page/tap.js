// Hands on what the microphone gives: one message per block of samples, float in [-1, 1].
registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
});
