function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

/**
 * Applies a JSON merge patch (RFC 7396 §2). The target is not changed: what the patch does not touch is shared
 * with the result, so that a comparison by reference tells what is new.
 */
export function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = Object.create(null);
  if (isObject(target)) for (const key of Object.keys(target)) out[key] = target[key];
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete out[key];
    else out[key] = merge(out[key], value);
  }
  return out;
}
