import { a } from './absent.js';
export const apps = [];
