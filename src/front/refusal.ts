/** Why pool answers in the application's stead, in words for the visitor. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly title: string;
  readonly next: string;
  /** When to ask again, in s. */
  readonly retryAfterS: number | undefined;

  constructor(status: number, title: string, message: string, next: string, retryAfterS?: number) {
    super(message);
    this.status = status;
    this.title = title;
    this.next = next;
    this.retryAfterS = retryAfterS;
  }
}
