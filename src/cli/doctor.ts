import { standingIn } from '../config/parse-config.ts';
import { plainLine } from '../plain-text.ts';
import { type Command, configOf, EXIT, print } from './command.ts';
import { checkDataFolder, checkExposure, checkNames, checkPort } from './check-machine.ts';
import { checkPrograms } from './check-programs.ts';
import { checkRepositories } from './check-repositories.ts';
import { repositoryAround, serve } from './serve.ts';

/** `pool doctor`: looks at everything that pool stands on, with or without a pool that runs. */
export const doctor: Command = {
  name: 'doctor',
  about: 'looks whether all that pool needs is there',
  flags: [
    { name: 'json', help: 'print data instead of words' },
    ...serve.flags.filter(({ name }) => name !== 'repository'),
  ],
  more: `Exit codes
  0  nothing is bad, though there may be warnings      1  something is bad`,
  async run({ values }) {
    const { checkEngine } = await import('./check-engine.ts');
    const around = repositoryAround(standingIn());
    const config = await configOf(values, { repositories: around.length > 0 ? around : ['.'] });
    // Where one stands in none and named none there is none to look at.
    const repositories = config.repositories.filter(
      ({ url }) => around.length > 0 || url !== standingIn(),
    );
    const looks = [checkPrograms(config), checkEngine(config), checkDataFolder(config)];
    const more = [checkNames(config), checkPort(config), checkExposure(config)];
    const asked = checkRepositories(repositories);
    const findings = (await Promise.all([...looks, ...more, asked])).flat();
    if (values['json'] === true) print(findings);
    else {
      const width = Math.max(...findings.map(({ about }) => about.length));
      for (const { state, about, words, next } of findings) {
        const line = `${state.padEnd(4)}  ${about.padEnd(width)}  ${plainLine(words)}\n`;
        process.stdout.write(
          next === undefined ? line : `${line}${' '.repeat(width + 8)}${next}\n`,
        );
      }
    }
    return findings.some(({ state }) => state === 'bad') ? EXIT.failed : EXIT.ok;
  },
};
