declare const brand: unique symbol;

/** A value that only its parser makes: holding one is the proof that it was checked. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
